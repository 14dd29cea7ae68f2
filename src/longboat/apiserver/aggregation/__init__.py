"""Groups that somebody else serves: APIServices, the extension servers behind them, and what is made of all they say.
Never: what a group of ours means."""
