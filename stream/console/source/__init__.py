"""Where the console's cases come from: the topics, or a replay's files, through the read model."""
