"""What a core and its bridges speak on one machine: calls as parts on a unix socket, and how both wait."""
