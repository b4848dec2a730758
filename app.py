"""The page: puts the six tabs together and launches. The entry point of a Hugging Face Space."""

from cvdemo.ui.page import main

if __name__ == "__main__":
    main()
