package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// maxAnswer bounds the body of an answer.
const maxAnswer = 64 << 20

var errAnswer = errors.New("not an HTTP/1.1 answer that this client reads")

// A conn is one keep-alive connection that asks one thing at a time. It does less than
// net/http's client, which would take as much of the machine as the service does and
// so hide half of it. It is not safe for concurrent use.
type conn struct {
	address string
	until   time.Time // of everything that is asked
	tcp     net.Conn  // nil: to be dialed
	in      *bufio.Reader
	out     []byte
	body    []byte // of the last answer
}

func newConn(address string, until time.Time) *conn {
	return &conn{address: address, until: until, in: bufio.NewReaderSize(nil, 64<<10)}
}

func (c *conn) close() {
	if c.tcp != nil {
		c.tcp.Close()
		c.tcp = nil
	}
}

// do asks r and returns the status and body of the answer; the body is valid until
// the next call. After an error the next call dials anew.
func (c *conn) do(ctx context.Context, r request) (int, []byte, error) {
	status, keep, err := c.exchange(ctx, r)
	if err != nil || !keep {
		c.close()
	}
	return status, c.body, err
}

func (c *conn) exchange(ctx context.Context, r request) (status int, keep bool, err error) {
	c.body = c.body[:0]
	if err := c.dial(ctx); err != nil {
		return 0, false, err
	}
	c.out = r.append(c.out[:0], c.address)
	if _, err := c.tcp.Write(c.out); err != nil {
		return 0, false, err
	}
	return c.answer()
}

func (c *conn) dial(ctx context.Context) error {
	if c.tcp != nil {
		return nil
	}
	dialer := net.Dialer{Deadline: c.until}
	tcp, err := dialer.DialContext(ctx, "tcp", c.address)
	if err != nil {
		return err
	}
	c.tcp = tcp
	c.in.Reset(tcp)
	return tcp.SetDeadline(c.until)
}

// answer reads an answer into c.body.
func (c *conn) answer() (status int, keep bool, err error) {
	line, err := c.line()
	if err != nil {
		return 0, false, err
	}
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, false, errAnswer
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, false, errAnswer
	}
	length, keep, err := c.header()
	switch {
	case err != nil || status == http.StatusNoContent:
		return status, keep, err
	case length == chunked:
		return status, keep, c.chunks()
	case length == unknown:
		return 0, false, errAnswer
	}
	return status, keep, c.take(length)
}

// What header returns in the place of a length.
const (
	unknown = -1
	chunked = -2
)

// header reads the header up to the body.
func (c *conn) header() (length int, keep bool, err error) {
	length, keep = unknown, true
	for {
		line, err := c.line()
		if err != nil || len(line) == 0 {
			return length, keep, err
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 {
				return 0, false, errAnswer
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			length = chunked
		case bytes.EqualFold(name, []byte("Connection")):
			keep = !bytes.EqualFold(value, []byte("close"))
		}
	}
}

func (c *conn) chunks() error {
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseUint(string(size), 16, 31)
		if err != nil {
			return errAnswer
		}
		if err := c.take(int(n)); err != nil {
			return err
		}
		if end, err := c.line(); err != nil || len(end) != 0 { // after the last chunk: no trailers
			return errors.Join(err, errAnswer)
		}
		if n == 0 {
			return nil
		}
	}
}

// take appends n bytes to the body.
func (c *conn) take(n int) error {
	have := len(c.body)
	if n > maxAnswer-have {
		return fmt.Errorf("the answer is larger than %d bytes", maxAnswer)
	}
	c.body = append(c.body, make([]byte, n)...)
	_, err := io.ReadFull(c.in, c.body[have:])
	return err
}

// line reads a line without its end; it is valid until the next read.
func (c *conn) line() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}
