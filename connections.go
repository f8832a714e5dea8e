package main

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"user-manager/metrics"
)

const (
	// writePiece is one piece of an answer: what a client has the write timeout for.
	writePiece = 64 << 10
	// maxArriving bounds the bytes of all headers that are still arriving.
	maxArriving = 2 << 20
	// stuckTime is how long an answer may wait for its reader before the connection may be
	// closed in favour of another.
	stuckTime = 10 * time.Millisecond
)

// connections is a listener that keeps no more than so many connections open. For one more
// it closes the one that has been without a complete request for longest: whose TLS
// handshake, header or body is still arriving, or that is idle. When all have complete
// requests it closes the one whose client has let its answer wait for longest, and when none
// does for a second, the new one. It is safe for use by several goroutines.
type connections struct {
	net.Listener
	limit        int
	writeTimeout time.Duration
	metrics      *metrics.Metrics
	served       atomic.Int64  // those that the server has not ended with
	ended        chan struct{} // holds a value when it has ended with another

	mu       sync.Mutex // guards what follows, and what connection says
	open     map[*connection]struct{}
	waiting  *list.List // of connections without a complete request, the longest first
	arriving int        // bytes of headers that are not complete
}

func newConnections(ln net.Listener, limit int, writeTimeout time.Duration, m *metrics.Metrics) *connections {
	return &connections{
		Listener: ln, limit: limit, writeTimeout: writeTimeout, metrics: m,
		ended: make(chan struct{}, 1), open: map[*connection]struct{}{}, waiting: list.New(),
	}
}

// Accept implements [net.Listener].
func (l *connections) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &connection{Conn: conn, of: l}
		refused := l.admit(c)
		for until := time.Now().Add(roomTime); refused == c && time.Now().Before(until); refused = l.admit(c) {
			time.Sleep(stuckTime) // whoever comes next waits in the kernel
		}
		if refused != nil {
			l.metrics.Refused(metrics.TooManyClients)
			_ = refused.Conn.Close()
		}
		if refused != c {
			return c, nil
		}
	}
}

// admit takes c among those that are open, and returns the one to be closed for it.
func (l *connections) admit(c *connection) (refused *connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open) >= l.limit {
		if refused = l.least(); refused == nil {
			return c
		}
		l.drop(refused)
	}
	l.open[c] = struct{}{}
	l.served.Add(1)
	c.await(false)
	return refused
}

// least returns the connection that can be done without, or nil.
func (l *connections) least() *connection {
	if first := l.waiting.Front(); first != nil {
		return first.Value.(*connection)
	}
	var stuck *connection
	since := time.Now().Add(-stuckTime).UnixNano()
	for c := range l.open {
		if at := c.writing.Load(); at != 0 && at <= since {
			stuck, since = c, at
		}
	}
	return stuck
}

// drop forgets c.
func (l *connections) drop(c *connection) {
	delete(l.open, c)
	c.settle()
}

// changed is told by the server what c is at.
func (l *connections) changed(conn net.Conn, state http.ConnState) {
	c := connectionOf(conn)
	if c == nil {
		return
	}
	if state == http.StateClosed || state == http.StateHijacked {
		defer l.end()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, open := l.open[c]
	switch {
	case !open:
	case state == http.StateActive: // its header is complete
		c.settle()
	case state == http.StateIdle:
		c.await(false)
	case state == http.StateClosed || state == http.StateHijacked:
		l.drop(c)
	}
}

// end notes that the server has ended with a connection.
func (l *connections) end() {
	l.served.Add(-1)
	select {
	case l.ended <- struct{}{}:
	default: // whoever waits looks anyway
	}
}

// requests counts the connections on which a request is not answered.
func (l *connections) requests() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for c := range l.open {
		if c.waits == nil || c.body {
			n++
		}
	}
	return n
}

// A connection is one of a client. What waits and has is guarded by the mutex of the
// connections it is of.
type connection struct {
	net.Conn
	of      *connections
	writing atomic.Int64 // since when a piece of an answer waits for its reader, in Unix nanoseconds; or 0

	waits *list.Element // among those without a complete request, or nil
	body  bool          // it is a body that is waited for
	has   int           // bytes of a header that is not complete
}

// settle takes c from those without a complete request.
func (c *connection) settle() {
	if c.waits != nil {
		c.of.waiting.Remove(c.waits)
	}
	c.of.arriving -= c.has
	c.waits, c.has, c.body = nil, 0, false
}

// await puts c last among those without a complete request.
func (c *connection) await(body bool) {
	c.body = body
	if c.waits == nil {
		c.waits = c.of.waiting.PushBack(c)
		return
	}
	c.of.waiting.MoveToBack(c.waits)
}

// awaitBody notes that the body of the request is waited for.
func (c *connection) awaitBody() {
	if c == nil {
		return
	}
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if _, open := c.of.open[c]; open {
		c.await(true)
	}
}

// gotBody notes that the body of the request is there.
func (c *connection) gotBody() {
	if c == nil {
		return
	}
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.settle()
}

// Read implements [net.Conn].
func (c *connection) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if refused := c.arrived(n); refused != nil {
		c.of.metrics.Refused(metrics.TooManyClients)
		_ = refused.Conn.Close()
	}
	return n, err
}

// arrived counts n bytes if they are of a header, and returns the connection to be closed
// when all headers together are too large: the one that has waited for longest of those that
// have an average share of it.
func (c *connection) arrived(n int) (refused *connection) {
	l := c.of
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.waits == nil || c.body {
		return nil
	}
	c.has += n
	l.arriving += n
	if l.arriving <= maxArriving {
		return nil
	}
	share := maxArriving / l.waiting.Len()
	for e := l.waiting.Front(); e != nil; e = e.Next() {
		if refused = e.Value.(*connection); refused.has >= share {
			break
		}
	}
	l.drop(refused)
	return refused
}

// Write implements [net.Conn]. The client has the write timeout for each piece, and not for
// the whole: an answer may last long.
func (c *connection) Write(p []byte) (written int, err error) {
	defer c.writing.Store(0)
	for {
		piece := p[written:min(written+writePiece, len(p))]
		now := time.Now()
		c.writing.Store(now.UnixNano())
		if err := c.SetWriteDeadline(now.Add(c.of.writeTimeout)); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(piece)
		if written += n; err != nil || written == len(p) {
			return written, err
		}
	}
}

// CloseWrite tells the client that nothing follows, as the server does where it answers
// before it has read all that comes.
func (c *connection) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// connectionOf returns the connection below TLS, or nil.
func connectionOf(conn net.Conn) *connection {
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	c, _ := conn.(*connection)
	return c
}

// untilClient is h, after which it is the client that is waited for: net/http reads what is
// left of the body, and sends what is left of the answer. A GET has no body that anybody
// reads: it must not keep an answer that is too large to wait for the end of h.
func untilClient(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer connectionFrom(r.Context()).awaitBody()
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			leaveBody(w, r)
		}
		h.ServeHTTP(w, r)
	})
}

type connectionKey struct{}

// withConnection lets [connectionFrom] find the connection of a request.
func withConnection(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, connectionOf(conn))
}

// connectionFrom returns the connection of a request; nil, which can be told everything,
// where there is none.
func connectionFrom(ctx context.Context) *connection {
	c, _ := ctx.Value(connectionKey{}).(*connection)
	return c
}
