package users

import (
	"context"
	"time"
)

// Expire blocks a user.
func (s *Service) Expire(ctx context.Context, id string, at time.Time) error { return nil }
