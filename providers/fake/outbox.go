package fake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"user-manager/crud"
	"user-manager/secret"
)

const (
	trimAtOnce = 200            // the most documents that a list gives
	ticketTTL  = 24 * time.Hour // how long a mailed link works
)

// ChangePassword implements [providers.Mailer]: the mail goes to the outbox.
func (p *Provider) ChangePassword(ctx context.Context, id string) error {
	return callOnly(ctx, p, "POST /change-password", func() error {
		a, err := p.accountWithID(ctx, id)
		if err != nil {
			return err
		}
		if a.email == "" {
			return invalid("The user has no email address.")
		}
		if err := p.sendTicket(ctx, a); err != nil {
			return err
		}
		p.trimOutbox(ctx)
		return nil
	})
}

// sendTicket puts a mail into the outbox whose link sets a's password, once. The
// ticket itself is kept, not its hash: the outbox is there to show it.
func (p *Provider) sendTicket(ctx context.Context, a account) error {
	now := p.now()
	expires := now.Add(ticketTTL)
	_, err := p.outbox.Insert(ctx, crud.Document{
		toField:      a.email,
		subjectField: "Set your password",
		textField: fmt.Sprintf("Somebody, probably you, asked for a new password for %s. "+
			"Open the link to set one; it works once, until %s.", a.name(), expires.UTC().Format(time.RFC1123)),
		ticketField:          randomText(32),
		accountField:         a.key,
		passwordVersionField: a.passwordVersion,
		sentAtField:          now.UnixMilli(),
		expiresAtField:       expires.UnixMilli(),
	})
	return err
}

// trimOutbox removes the oldest mails when there may be more than are kept. To count
// them after each would cost more than the mail itself, so some more than are shown
// gather before it does. Whoever comes while another does so leaves it at that.
func (p *Provider) trimOutbox(ctx context.Context) {
	if p.untrimmed.Add(1) <= p.settings.spareMails() {
		return
	}
	select {
	case p.trimming <- struct{}{}:
		defer func() { <-p.trimming }()
	default:
		return
	}
	if err := p.trim(ctx); err != nil {
		p.log.Warn("trim the fake provider's outbox", "err", err)
		return
	}
	p.untrimmed.Store(0)
}

// spareMails is how many mails are sent before the outbox is looked at again.
func (s settings) spareMails() int64 { return int64(min(s.mails/10, 1000)) }

func (p *Provider) trim(ctx context.Context) error {
	n, err := p.outbox.Count(ctx, crud.Query{})
	for excess := n - p.settings.mails; excess > 0 && err == nil; excess -= trimAtOnce {
		err = p.removeOldest(ctx, min(excess, trimAtOnce))
	}
	return err
}

// removeOldest removes the oldest n mails, at most trimAtOnce.
func (p *Provider) removeOldest(ctx context.Context, n int) error {
	oldest, err := p.outbox.List(ctx, crud.Query{Sort: "_id", Limit: n, Fields: []string{"_id"}})
	if err != nil || len(oldest) == 0 {
		return err
	}
	last := text(oldest[len(oldest)-1], "_id")
	_, err = p.outbox.DeleteAll(ctx, crud.Query{Filter: crud.Document{"_id": crud.Document{"$lte": last}}})
	return err
}

// A mail is one in the outbox.
type mail struct {
	to, subject, text string
	ticket            string
	sentAt            time.Time
}

// mails returns the mails in the outbox, newest first and no more than are kept; to is
// whose, "" for all.
func (p *Provider) mails(ctx context.Context, to string) ([]mail, error) {
	var filter crud.Document
	if to != "" {
		filter = crud.Document{toField: to}
	}
	mails := []mail{}
	for doc, err := range p.outbox.All(ctx, crud.Query{Filter: filter}) {
		if err != nil {
			return nil, err
		}
		mails = append(mails, mail{
			to: text(doc, toField), subject: text(doc, subjectField), text: text(doc, textField),
			ticket: text(doc, ticketField), sentAt: time.UnixMilli(number(doc, sentAtField)).UTC(),
		})
	}
	slices.Reverse(mails) // ids grow with time
	return mails[:min(len(mails), p.settings.mails)], nil
}

// errTicketOver is the refusal of a ticket that was good once.
var errTicketOver = errors.New("the ticket is used, overtaken or expired")

// ticketOwner returns the account whose password the ticket sets: errNoSuchUser for a
// ticket that was never mailed, errTicketOver for one that works no more.
func (p *Provider) ticketOwner(ctx context.Context, ticket string) (account, error) {
	doc, err := p.outbox.First(ctx, crud.Query{Filter: crud.Document{ticketField: ticket}})
	if errors.Is(err, crud.ErrNotFound) {
		return account{}, errNoSuchUser
	}
	if err != nil {
		return account{}, err
	}
	if number(doc, expiresAtField) <= p.now().UnixMilli() {
		return account{}, errTicketOver
	}
	a, err := p.accountWhere(ctx, keyField, text(doc, accountField))
	if errors.Is(err, errNoSuchUser) {
		return account{}, errTicketOver
	}
	if err == nil && (a.passwordVersion != number(doc, passwordVersionField) || a.email != text(doc, toField)) {
		return account{}, errTicketOver
	}
	return a, err
}

// setPassword sets the password of the ticket's account and ends its sessions. Its
// errors are those of ticketOwner, and a refusal of the password.
func (p *Provider) setPassword(ctx context.Context, ticket string, password secret.Text) error {
	a, err := p.ticketOwner(ctx, ticket)
	if err != nil {
		return err
	}
	hash, err := hashPassword(password)
	if err != nil {
		return err
	}
	unchanged := crud.Document{keyField: a.key, passwordVersionField: a.passwordVersion, emailField: a.email}
	n, err := p.accounts.PatchAll(ctx, crud.Query{Filter: unchanged}, crud.Document{
		"$set": crud.Document{passwordField: hash, emailVerifiedField: true}, // the link reached its owner
		"$inc": crud.Document{passwordVersionField: 1, generationField: 1},
	})
	if err != nil {
		return err
	}
	if n == 0 {
		return errTicketOver
	}
	p.removeSessions(ctx, a.key)
	return nil
}
