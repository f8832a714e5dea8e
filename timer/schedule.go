package timer

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"user-manager/upstream"
)

// A schedule is the body of POST /schedule.
type schedule struct {
	Payload              Call       `json:"payload"`
	StartDate            string     `json:"startDate"`
	ExpirationIntervalMs int64      `json:"expirationIntervalMs"`
	ApplicantService     string     `json:"applicantService"`
	OutputMode           outputMode `json:"outputMode"`
}

// An outputMode says what a timer calls. Host and port are apart, as the service has them
// since its version 2.0.3.
type outputMode struct {
	Type     string            `json:"type"`
	Method   string            `json:"method"`
	Protocol string            `json:"protocol"`
	Hostname string            `json:"hostname"`
	Port     int               `json:"port,omitempty"`
	Path     string            `json:"path"`
	Headers  map[string]string `json:"headers,omitempty"`
}

const applicant = "user-manager"

// Schedule has our /-/expire route called for the user at a time, at once if that is past,
// and returns the id of the timer. With the call go the headers that the caller in ctx has
// for it ([upstream.Caller.Timer]), but for what is not ASCII or longer than 4 KiB.
//
// Every error is an [*upstream.Error]; after one that is not refused there may be a timer
// all the same. A timer more than meant does no harm, so a call without a clear outcome is
// made again, and what a late one does raises no doubt ([upstream.WithDoubt]).
func (c *Client) Schedule(ctx context.Context, userID string, at time.Time) (id string, err error) {
	call := upstream.Request{Method: http.MethodPost, Path: "/schedule"}
	call.Body, err = c.schedule(ctx, userID, at)
	if err != nil {
		return "", c.peer.Impossible(call, err)
	}
	answer, err := c.peer.Do(upstream.WithoutDoubt(upstream.Repeatable(ctx)), call)
	if err != nil {
		return "", err
	}
	var timer struct {
		ID string `json:"expirationId"`
	}
	err = json.Unmarshal(answer, &timer)
	if err == nil && timer.ID == "" {
		err = errors.New("there is no expirationId")
	}
	if err != nil {
		return "", c.peer.Unusable(call, err)
	}
	return timer.ID, nil
}

// schedule returns the body that has the user's expiration called.
func (c *Client) schedule(ctx context.Context, userID string, at time.Time) (schedule, error) {
	call, err := c.sign(userID, at)
	if err != nil {
		return schedule{}, err
	}
	now := time.Now()
	return schedule{
		Payload:              call,
		StartDate:            now.UTC().Format(dateFormat),
		ExpirationIntervalMs: max(at.UnixMilli()-now.UnixMilli(), 0),
		ApplicantService:     applicant,
		OutputMode:           c.output(userID, upstream.CallerFrom(ctx).Timer),
	}, nil
}

// output returns what a timer of the user calls.
func (c *Client) output(userID string, header http.Header) outputMode {
	host := c.callback.Hostname()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	port, _ := strconv.Atoi(c.callback.Port()) // checked by New; 0 without one
	out := outputMode{
		Type: "rest", Method: "post", Protocol: c.callback.Scheme, Hostname: host, Port: port,
		Path: c.callback.EscapedPath() + "/-/expire/" + url.PathEscape(userID),
	}
	for name, values := range header {
		value := strings.Join(values, separator(name))
		if !sendable(value) {
			continue
		}
		if out.Headers == nil {
			out.Headers = map[string]string{}
		}
		out.Headers[name] = value
	}
	return out
}

// maxHeader is half of the least that servers take of all headers together.
const maxHeader = 4 << 10

// sendable reports whether whoever makes calls can make one with a header of this value. Some
// take ASCII alone; a header that is left out is better than a call that never comes.
func sendable(value string) bool {
	return len(value) <= maxHeader && !strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c > '~' })
}

// separator is what stands between the values of a header in one line.
func separator(name string) string {
	if name == "Cookie" {
		return "; "
	}
	return ", "
}

// Abort ends the timer with the given id. A call of it that has begun, or that the service is
// about to make, may still come. A timer that the service does not know has ended, and to
// abort twice is to abort once. Every error is an [*upstream.Error].
func (c *Client) Abort(ctx context.Context, id string) error {
	call := upstream.Request{Method: http.MethodPost, Path: "/abort", Body: map[string]string{"expirationId": id}}
	_, err := c.peer.Do(upstream.WithoutDoubt(upstream.Repeatable(ctx)), call)
	if upstream.Status(err) == http.StatusNotFound {
		return nil
	}
	return err
}

// Ping asks the service whether it is ready.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.peer.Do(ctx, upstream.Request{Method: http.MethodGet, Path: "/-/ready"})
	return err
}
