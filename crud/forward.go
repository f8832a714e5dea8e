package crud

import (
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"

	"user-manager/upstream"
)

// Forward answers w with the service's own answer to r's method, query and body at
// the given path below the collection: status, headers and body, streamed and
// untouched. Of r's headers only those of its [upstream.Caller] go along, and what
// r accepts. It returns an error only while nothing has been written to w.
func (c Collection) Forward(w http.ResponseWriter, r *http.Request, below string) error {
	var failed error
	proxy := httputil.ReverseProxy{
		Transport:  c.client.streaming(),
		BufferPool: forwardBuffers,
		ErrorLog:   unlogged, // what fails is returned, or shows as a broken answer
		Rewrite: func(p *httputil.ProxyRequest) {
			base := *c.client.base
			p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = base.Scheme, base.Host, base.Host
			p.Out.URL.Path, p.Out.URL.RawPath = strings.TrimSuffix(base.Path, "/")+c.path+below, ""
			p.Out.URL.RawQuery = p.In.URL.RawQuery
			p.Out.Header = forwardHeader(p.In)
		},
		ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, err error) {
			failed = upstream.Unanswered(Service, c.Route(r.Method, pattern(below)), err)
		},
	}
	proxy.ServeHTTP(w, r)
	return failed
}

// pattern is a path below the collection as error messages show it.
func pattern(below string) string {
	if IsID(strings.TrimPrefix(below, "/")) {
		return "/:id"
	}
	return below
}

// Open gets what is at the given path below the collection, with params as the query
// and the headers that [Collection.Forward] would send for r, and returns the
// service's answer whatever its status. The caller closes its body.
func (c Collection) Open(r *http.Request, below string, params url.Values) (*http.Response, error) {
	base := *c.client.base
	base.Path += c.path + below
	base.RawQuery = params.Encode()
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, base.String(), nil)
	if err != nil {
		return nil, &upstream.Error{Service: Service, Route: c.Route(r.Method, below), Err: err}
	}
	req.Header = forwardHeader(r)
	res, err := c.client.streaming().RoundTrip(req)
	if err != nil {
		return nil, upstream.Unanswered(Service, c.Route(r.Method, below), err)
	}
	return res, nil
}

// forwardHeader returns the headers that go along with a forwarded request.
func forwardHeader(r *http.Request) http.Header {
	h := http.Header{"User-Agent": nil} // nil: none, rather than Go's own
	caller := upstream.CallerFrom(r.Context())
	for _, from := range []http.Header{caller.Header, caller.ACL} {
		for name, values := range from {
			h[name] = values
		}
	}
	if accept := r.Header["Accept"]; accept != nil {
		h["Accept"] = accept
	}
	return h
}

var unlogged = log.New(io.Discard, "", 0)

// forwardBuffers lends the buffers that bodies are copied through.
var forwardBuffers = &bufferPool{pool: sync.Pool{New: func() any { return new([32 << 10]byte) }}}

type bufferPool struct{ pool sync.Pool }

func (b *bufferPool) Get() []byte { return b.pool.Get().(*[32 << 10]byte)[:] }

func (b *bufferPool) Put(buf []byte) {
	if cap(buf) == 32<<10 {
		b.pool.Put((*[32 << 10]byte)(buf[:32<<10]))
	}
}
