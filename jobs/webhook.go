package jobs

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"user-manager/secret"
	"user-manager/upstream"
)

const (
	callbacksAtOnce = 4
	firstRedelivery = 5 * time.Second // pause after a delivery that failed, doubled each time up to
	lastRedelivery  = 10 * time.Minute
	deliverFor      = 24 * time.Hour
	defaultTimeout  = 10 * time.Second
	maxCallback     = 1 << 20  // bytes of a body
	maxReply        = 64 << 10 // bytes that are read of an answer
)

// A Webhook says how the end of a job is told: its summary is POSTed as JSON, signed as
// the Standard Webhooks specification has it.
type Webhook struct {
	URL          string            // for jobs without one of their own; "": none
	Secret       secret.Text       // base64 after "whsec_", else as it is; none: not signed
	AllowedHosts []string          // of jobs' own URLs, "host" (at its scheme's port) or "host:port", in lower case
	Transport    http.RoundTripper // nil: a clone of http.DefaultTransport
	Body         func(Job) any     // what is sent of a finished job
	Timeout      time.Duration     // of a delivery; 0: ten seconds
}

// Check reports a secret that cannot be read.
func (w *Webhook) Check() error {
	_, err := w.key()
	return err
}

// CheckURL reports why a job may not have a callback URL: it is not http or https, has
// user information, or a host that is not allowed.
func (w *Webhook) CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("the callback URL is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("the callback URL must be http or https")
	case u.User != nil:
		return errors.New("the callback URL must not have user information")
	case !w.allows(u):
		return errors.New("the host of the callback URL is not allowed")
	}
	return nil
}

func (w *Webhook) allows(u *url.URL) bool {
	host := strings.ToLower(u.Hostname())
	standard := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	port := cmp.Or(u.Port(), standard)
	return host != "" && (slices.Contains(w.AllowedHosts, net.JoinHostPort(host, port)) ||
		port == standard && slices.Contains(w.AllowedHosts, host))
}

// key returns the bytes that deliveries are signed with, nil for none.
func (w *Webhook) key() ([]byte, error) {
	encoded, isBase64 := strings.CutPrefix(w.Secret.Reveal(), "whsec_")
	if !isBase64 {
		return []byte(encoded), nil
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("the webhook secret begins with whsec_ but is not base64 after it")
	}
	return key, nil
}

// callbackURL returns where the end of the job is to be told, "" for nowhere.
func (q *Queue) callbackURL(r Request) string {
	if q.cfg.Webhook == nil {
		return ""
	}
	return cmp.Or(r.CallbackURL, q.cfg.Webhook.URL)
}

// callBack delivers callbacks until ctx is done.
func (q *Queue) callBack(ctx context.Context) {
	var deliveries errgroup.Group
	defer deliveries.Wait()
	deliveries.SetLimit(callbacksAtOnce)
	client := q.cfg.Webhook.client()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for ctx.Err() == nil {
		if err := q.deliverDue(ctx, client, &deliveries); err != nil && ctx.Err() == nil {
			q.cfg.Log.WarnContext(ctx, "look for callbacks", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		case <-q.notify:
		}
	}
}

// client returns what callbacks are made with. It follows no redirects: they could lead
// to hosts that are not allowed.
func (w *Webhook) client() *http.Client {
	transport := w.Transport
	if transport == nil {
		transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: transport, CheckRedirect: stay, Timeout: cmp.Or(w.Timeout, defaultTimeout)}
}

// deliverDue delivers what is due, a few at once.
func (q *Queue) deliverDue(ctx context.Context, client *http.Client, deliveries *errgroup.Group) error {
	found, err := q.keeper.due(ctx, q.now().UnixMilli(), maxList)
	if err != nil {
		return err
	}
	for _, e := range found {
		if ctx.Err() != nil {
			return nil
		}
		deliveries.Go(func() error {
			if err := upstream.Protect(func() error { return q.deliver(ctx, client, e) }); err != nil && ctx.Err() == nil {
				q.cfg.Log.WarnContext(ctx, "callback is tried again later", "job", e.JobID, "err", err)
			}
			return nil
		})
	}
	return nil
}

// deliver takes the callback of e for itself, until after it must be over; then it
// makes it and keeps what came of it.
func (q *Queue) deliver(ctx context.Context, client *http.Client, e entry) error {
	now := q.now()
	pause := redeliverAfter(e.CallbackTries)
	set := fields{"callbackAt": now.Add(2*client.Timeout + pause).UnixMilli(), "callbackTries": e.CallbackTries + 1}
	won, err := q.keeper.change(ctx, e.JobID, guard{callbackAt: e.CallbackAt}, set)
	if err != nil || !won {
		return err
	}
	log := q.cfg.Log.With("job", e.JobID, "host", hostOf(e.CallbackURL))
	taken := set["callbackAt"].(int64)
	switch status, err := q.post(ctx, client, e); {
	case err == nil && status >= 200 && status < 300:
		set = fields{"callback": callbackDelivered}
	case status == http.StatusGone, errors.Is(err, errUndeliverable), !now.Before(timeOf(e.FinishedAt).Add(min(deliverFor, q.cfg.Retention))):
		log.ErrorContext(ctx, "callback given up", "status", status, "err", err)
		set = fields{"callback": callbackGivenUp}
	default:
		log.WarnContext(ctx, "callback not delivered", "status", status, "err", err, "pause", pause)
		set = fields{"callbackAt": q.now().Add(pause).UnixMilli()}
	}
	_, err = q.keeper.change(context.WithoutCancel(ctx), e.JobID, guard{callbackAt: taken}, set)
	return err
}

func redeliverAfter(tries int) time.Duration {
	return min(firstRedelivery<<min(tries, 10), lastRedelivery)
}

// errUndeliverable is in the chain of errors that no other try will change.
var errUndeliverable = errors.New("cannot be delivered")

// post makes the request and returns the status of its answer. Its errors do not name
// the URL.
func (q *Queue) post(ctx context.Context, client *http.Client, e entry) (int, error) {
	w := q.cfg.Webhook
	if e.CallbackURL != w.URL {
		if err := w.CheckURL(e.CallbackURL); err != nil {
			return 0, fmt.Errorf("%w: %w", err, errUndeliverable)
		}
	}
	req, err := w.request(ctx, e, q.now())
	if err != nil {
		return 0, err
	}
	res, err := client.Do(req)
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err
		}
		return 0, err
	}
	defer res.Body.Close()
	io.Copy(io.Discard, io.LimitReader(res.Body, maxReply)) // so that the connection can be used again
	return res.StatusCode, nil
}

// request makes the request of a callback.
func (w *Webhook) request(ctx context.Context, e entry, now time.Time) (*http.Request, error) {
	body, err := json.Marshal(w.Body(e.job()))
	if err == nil && len(body) > maxCallback {
		err = fmt.Errorf("the body is larger than %d bytes", maxCallback)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, errUndeliverable)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.CallbackURL, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("the callback URL is not a URL: %w", errUndeliverable)
	}
	signature, err := w.Signature(e.JobID, now, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("webhook-id", e.JobID)
	req.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	if signature != "" {
		req.Header.Set("webhook-signature", signature)
	}
	return req, nil
}

// Signature returns the webhook-signature of a message, "" when there is no secret. Its
// error is that of [Webhook.Check].
func (w *Webhook) Signature(id string, at time.Time, body []byte) (string, error) {
	key, err := w.key()
	if err != nil || len(key) == 0 {
		return "", err
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body) // a hash takes everything
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}

func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Host
}
