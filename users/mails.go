package users

import (
	"context"

	"user-manager/jobs"
	"user-manager/providers"
	"user-manager/upstream"
)

// Sent is the result of a mail that was sent.
const Sent = "completed"

// mailsPerCall is how many mails are under way at once for each call that others make at
// once: they are slow, and no other calls belong to them.
const mailsPerCall = 2

// MailPasswords has the provider send a change-password mail to the owner of each account
// whose id the task has, at the pace of the provider's calls for mails. Each id gets one
// outcome: [Sent] or a failure. An id without an outcome is tried again by the next call
// for the task, so that a mail whose outcome a crash kept from being recorded is sent
// twice. The error is that of a store that keeps outcomes from being recorded, or ctx's.
func (s *Service) MailPasswords(ctx context.Context, t *jobs.Task, pace *jobs.Pacer) error {
	send := func(ctx context.Context, id string) (jobs.Outcome, error) {
		err := s.provider.ChangePassword(ctx, id)
		if upstream.RefusedForGood(err) { // in our words: the provider's may name the owner
			code := providers.RefusalOf(err, "", "").Code
			return failure(id, jobs.Problem{Code: code, Message: err.Error()}), nil
		}
		return jobs.Outcome{ID: id, Result: Sent}, err
	}
	return pace.Each(ctx, t.Pending(), mailsPerCall*s.FanOut, send, t.Record)
}
