package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"user-manager/crud"
)

// dateFormat is how the store has dates.
const dateFormat = "2006-01-02T15:04:05.000Z"

// A status is an expirationStatus.
type status struct {
	ID          int    `json:"id"`
	Description string `json:"description"`
}

// isPending is the path and the value by which the store knows a timer that is not over.
const isPending = "expirationStatus.id"

var (
	pending = status{0, "pending"}
	expired = status{1, "expired"}
	aborted = status{2, "aborted"}
)

// keepFor is how long a timer that is over is kept.
const keepFor = 24 * time.Hour

// over returns the update that ends a timer.
func over(how status, now int64) crud.Document {
	return crud.Document{
		"$set":   crud.Document{"expirationStatus": how, "removeAt": now + keepFor.Milliseconds()},
		"$unset": crud.Document{"dueAt": true, "leaseOwner": true},
	}
}

// later returns the update that has a timer be due at another time, for whoever comes.
func later(dueAt int64, more crud.Document) crud.Document {
	set := crud.Document{"dueAt": dueAt}
	maps.Copy(set, more)
	return crud.Document{"$set": set, "$unset": crud.Document{"leaseOwner": true}}
}

// An outputMode says what a timer calls.
type outputMode struct {
	Type     string            `json:"type" validate:"required,oneof=rest"`
	Method   string            `json:"method" validate:"required,oneof=post put patch get delete"`
	Protocol string            `json:"protocol" validate:"required,oneof=http https"`
	Hostname string            `json:"hostname" validate:"required"`
	Port     *int              `json:"port,omitempty"`
	Path     string            `json:"path" validate:"required"`
	Headers  map[string]string `json:"headers,omitempty"`
}

// url returns what is called.
func (o outputMode) url() (*url.URL, error) {
	host := o.Hostname
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		host = "[" + host + "]"
	}
	if o.Port != nil {
		host += ":" + strconv.Itoa(*o.Port)
	}
	u, err := url.Parse(o.Protocol + "://" + host + o.Path)
	if err != nil || u.Host != host || u.User != nil || u.Fragment != "" {
		return nil, errors.New("protocol, hostname, port and path make no URL")
	}
	return u, nil
}

// request returns the call of a timer with a payload.
func (o outputMode) request(ctx context.Context, payload json.RawMessage) (*http.Request, error) {
	target, err := o.url()
	if err != nil {
		return nil, err
	}
	var body io.Reader
	if o.Method != "get" {
		if len(payload) == 0 {
			payload = json.RawMessage("{}")
		}
		body = bytes.NewReader(payload)
	}
	req, err := http.NewRequestWithContext(ctx, strings.ToUpper(o.Method), target.String(), body)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range o.Headers {
		req.Header.Set(name, value)
	}
	return req, nil
}
