"""What a core and its bridges speak on one machine, parts of calls on a unix socket, and how both wait. It knows neither."""
