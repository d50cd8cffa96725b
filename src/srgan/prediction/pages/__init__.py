"""Looking at results: the scores and the HTML page of one run, and the page that compares several networks."""
