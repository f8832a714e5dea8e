package jobs

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

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
			ctx := e.context(ctx)
			if err := upstream.Protect(func() error { return q.deliver(ctx, client, e) }); err != nil && ctx.Err() == nil {
				q.cfg.Log.WarnContext(ctx, "callback is tried again later", "jobId", e.JobID, "err", err)
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
	log := q.cfg.Log.With("jobId", e.JobID, "callbackHost", hostOf(e.CallbackURL))
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

func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Host
}
