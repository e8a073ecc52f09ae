//! The HTTP interface, and the composition of all rooms into one application.
