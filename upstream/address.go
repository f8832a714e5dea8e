package upstream

import (
	"net/url"
	"strconv"
	"strings"
)

// HasUsablePort reports whether the port of a URL can be called: a number from 1 to 65535, or
// none, which is the standard one of its scheme.
func HasUsablePort(u *url.URL) bool {
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return u.Port() == "" && !strings.HasSuffix(u.Host, ":") || err == nil && port > 0
}
