"""What the gateway, the filter-service and the command line share, and what is no part of the contract.

Layout:
    ``settings``      the variables that all have, and the one error of a variable that can't be used
    ``logs``          structured logs of a service and of its libraries, on stderr
    ``connection``    connections to NATS: the login, and what is logged when a connection changes
    ``tls``           the certificates of that connection
    ``fleet``         the services that live, by their heartbeats
    ``watched_file``  a file that is read again when it changes
    ``footprint``     what keeps a service small
    ``api_keys``      the file of API keys
"""
