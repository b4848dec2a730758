"""Training of every weight the page uses. `cvdemo` never imports this package."""
