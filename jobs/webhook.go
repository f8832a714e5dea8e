package jobs

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"user-manager/secret"
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

// maxURL is how many bytes a callback URL may have.
const maxURL = 2048

// CheckURL reports why a job may not have a callback URL: it is too long, not http or https, has
// user information, or a host that is not allowed. Without a webhook none is.
func (w *Webhook) CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case len(text) > maxURL:
		return fmt.Errorf("the callback URL must not be longer than %d bytes", maxURL)
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
	return w != nil && host != "" && (slices.Contains(w.AllowedHosts, net.JoinHostPort(host, port)) ||
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
