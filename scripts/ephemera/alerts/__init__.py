"""Survey alerts: from packets to objects on the sky, filters, tagged streams, pages and a nightly account."""
