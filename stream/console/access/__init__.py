"""Who may use the console: logins, sessions, roles, forged requests, limits."""
