"""What HTTP means (RFC 9110, 6265, 7578), whatever the wire. The ground on which every other room may stand."""
