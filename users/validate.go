package users

import (
	"context"
	"fmt"
	"maps"

	"user-manager/crud"
	"user-manager/secret"
)

// Validate checks all that [Service.Create] checks before it writes, and asks the store
// whether it would take the user. Whether its name and address are free is not looked at,
// nothing is written and the provider is not called. Errors are those of Create.
func (s *Service) Validate(ctx context.Context, fields crud.Document, opts CreateOptions) error {
	checked, err := s.checkCreation(ctx, fields, opts, s.groups.group)
	if err != nil {
		return err
	}
	return s.Users.Validate(ctx, checked.user)
}

// A checkedUser is a user that may be created.
type checkedUser struct {
	user     crud.Document // as the store gets it, but for the mark of its account
	password secret.Text   // zero: none was given
	alone    bool          // it gets no account, or not yet
}

// checkCreation checks what can be checked before anything is written.
func (s *Service) checkCreation(ctx context.Context, fields crud.Document, opts CreateOptions, find groupFinder) (checked checkedUser, err error) {
	if err := refuseFields(fields, append(storeFields, reservedFields...)...); err != nil {
		return checked, err
	}
	checked.user = maps.Clone(fields)
	if checked.password, err = takePassword(checked.user); err != nil {
		return checked, err
	}
	group, err := s.checkNew(ctx, checked.user, find)
	if err != nil {
		return checked, err
	}
	if checked.alone = group.accountsDisabled || opts.PostponeAccount; checked.alone {
		return checked, nil
	}
	return checked, checkAccountName(checked.user)
}

// validateAll is [Service.Validate] for several users. Its error is that of the first that
// is wrong, and says which that is.
func (s *Service) validateAll(ctx context.Context, list []crud.Document, opts CreateOptions) error {
	find := s.groups.each()
	checked := make([]crud.Document, len(list))
	for i, fields := range list {
		one, err := s.checkCreation(ctx, fields, opts, find)
		if err != nil {
			return inItem(item(i), err)
		}
		checked[i] = one.user
	}
	outcomes := s.severally(ctx, len(list), nil, func(ctx context.Context, i int) (Outcome, error) {
		return Outcome{}, s.Users.Validate(ctx, checked[i])
	})
	if i := FirstFailure(outcomes); i >= 0 {
		return inItem(item(i), outcomes[i].Err)
	}
	return nil
}

// item is how the ith item of a request's array is called.
func item(i int) string { return fmt.Sprintf("body/%d", i) }
