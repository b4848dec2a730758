"""What tabs are made of: controls, parts, jobs, links, and what the browser runs."""
