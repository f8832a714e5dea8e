// Package rond is a client of Rönd's grants and revokes.
package rond

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Service is Rönd's name in errors.
const Service = "Rond"

// A Config says where Rönd is.
type Config struct {
	URL, ResourceType string
	Transport         http.RoundTripper
	Timeout           time.Duration
}

// A Client calls Rönd.
type Client struct{ Config }

// New returns a client.
func New(cfg Config) (*Client, error) { return &Client{cfg}, nil }

// Grant gives roles to a subject.
func (c *Client) Grant(ctx context.Context, subject string, roles []string) error {
	return errors.ErrUnsupported
}

// Revoke takes all roles of a subject.
func (c *Client) Revoke(ctx context.Context, subject string) error { return errors.ErrUnsupported }
