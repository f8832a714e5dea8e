package users

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"user-manager/crud"
	"user-manager/crud/document"
	"user-manager/upstream"
)

// Patch changes the user with the given id and returns it after the change. body
// holds the store's operators, or plain fields, which are set. params are the
// caller's for the store's own PATCH, such as "_st". The user as it would become must
// match the schema of its group. Refusals are [ErrInvalid] and [ErrConflict]; an
// unknown id is the store's error, with cause [crud.ErrNotFound].
func (s *Service) Patch(ctx context.Context, id string, body crud.Document, params url.Values) (crud.Document, error) {
	operators, err := asOperators(body)
	if err != nil {
		return nil, err
	}
	update, err := parseUpdate(operators)
	if err != nil {
		return nil, err
	}
	var after crud.Document
	err = s.operate(ctx, id, withoutProjection(params), func(user crud.Document) error {
		p, _, err := s.planPatch(ctx, text(user, "_id"), user, operators, update, params, s.groups.group)
		if err != nil {
			return err
		}
		n := note{Kind: noteChange, UserID: p.userID, AuthUserID: p.authUserID}
		err = s.carryOut(ctx, n, s.unchanged(user), s.patchOrder(p))
		after = p.result()
		return p.roles.outcome(err)
	})
	if errors.Is(err, crud.ErrNotFound) { // as the store's own PATCH answers
		return nil, &upstream.Error{Service: crud.Service, Route: s.Users.Route(http.MethodPatch, "/:id"), Status: http.StatusNotFound, Err: err}
	}
	return readable(after, upstream.CallerFrom(ctx)), err
}

// withoutProjection returns the parameters that say which user, and not how it is
// shown: it has to be read whole.
func withoutProjection(params url.Values) url.Values {
	params = maps.Clone(params)
	delete(params, "_p")
	delete(params, "_rawp")
	return params
}

// asOperators returns the body of a PATCH as operators.
func asOperators(body crud.Document) (crud.Document, error) {
	plain := 0
	for key := range body {
		if !strings.HasPrefix(key, "$") {
			plain++
		}
	}
	switch plain {
	case 0:
		return body, nil
	case len(body):
		return crud.Document{"$set": map[string]any(body)}, nil
	}
	return nil, refuse(ErrInvalid, "body: must hold operators or plain fields, not both")
}

// parseUpdate reads the operators and refuses what a client may not change.
func parseUpdate(operators crud.Document) (document.Update, error) {
	update, err := document.ParseUpdate(operators)
	if err != nil {
		return update, refuse(ErrInvalid, "body: %s", err)
	}
	for _, touch := range update.Touches() {
		field, _, _ := strings.Cut(touch.Path, ".")
		if slices.Contains(storeFields, field) || slices.Contains(reservedFields, field) {
			return update, refuse(ErrInvalid, "%s: cannot be changed by the client", touch.Path)
		}
		if field == "password" {
			return update, refuse(ErrInvalid, "password: cannot be changed here; see POST /users/change-password")
		}
	}
	return update, nil
}

// planPatch checks what the user would become and finds what the account must be
// told. A field that the client names is told even if it stays as it was, so that a
// call made again mends what an earlier one left.
func (s *Service) planPatch(ctx context.Context, id string, before, operators crud.Document, update document.Update, params url.Values, find groupFinder) (_ *patch, after crud.Document, err error) {
	caller := upstream.CallerFrom(ctx)
	p := &patch{
		userID:     id,
		authUserID: accountID(before),
		before:     before,
		update:     operators,
		params:     params,
		encoded:    caller.EncodesQuery(),
		users:      s.Users.With(caller.StoreHeader(upstream.ACLRowsHeader, upstream.ACLWriteColumnsHeader, upstream.QueryEncodingHeader)),
	}
	for _, touch := range update.Touches() {
		field, _, _ := strings.Cut(touch.Path, ".")
		p.fields = append(p.fields, field)
	}
	if after, err = update.Apply(before, s.Now()); err != nil {
		return nil, nil, refuse(ErrInvalid, "body: %s", err)
	}
	if err := s.checkPatched(ctx, p, after, find); err != nil {
		return nil, nil, err
	}
	s.planAccount(p, after)
	if slices.Contains(p.fields, "expirationDate") {
		p.timer = s.retimed(before, after)
	}
	if slices.Contains(p.fields, "roles") && p.authUserID != "" && !s.accountRemoved(before) && s.Rond != nil {
		p.roles = &roleChange{before: rolesOf(before), after: rolesOf(after)}
	}
	return p, after, nil
}

func (s *Service) checkPatched(ctx context.Context, p *patch, after crud.Document, find groupFinder) error {
	standard, err := checkStandard(after)
	if err != nil {
		return err
	}
	if slices.Contains(p.fields, "expirationDate") {
		if err := checkNotExpired(after, s.Now()); err != nil {
			return err
		}
		p.update = withDate(p.update, after["expirationDate"])
	} else if s.expired(after) && slices.Contains(p.fields, "blocked") && !isBlocked(after) {
		return refuse(ErrInvalid, "blocked: the user has expired; it is unblocked with a new expirationDate, or without one")
	}
	if p.authUserID != "" && text(p.before, "username")+text(p.before, "email") != "" {
		if err := checkAccountName(after); err != nil {
			return err
		}
	}
	group, err := find(ctx, *standard.UserGroup)
	if err != nil {
		return err
	}
	return group.check(group.asWritten(after, p.fields))
}

// withDate returns the operators with the expirationDate that is set in the form that
// the store takes.
func withDate(operators crud.Document, date any) crud.Document {
	fields, ok := operators["$set"].(map[string]any)
	if _, sets := fields["expirationDate"]; !ok || !sets {
		return operators
	}
	operators, fields = maps.Clone(operators), maps.Clone(fields)
	fields["expirationDate"] = date
	operators["$set"] = fields
	return operators
}

// planAccount finds what of the change the account must be told.
func (s *Service) planAccount(p *patch, after crud.Document) {
	for _, field := range p.fields {
		p.guards = p.guards || field == "blocked" || field == "expirationDate"
		p.forAccount = p.forAccount || slices.Contains(s.makingFields(), field)
	}
	if p.authUserID == "" {
		return
	}
	username, email := text(after, "username"), text(after, "email")
	for _, field := range p.fields {
		switch field {
		case "username":
			p.change.Username, p.renames = &username, true
		case "email":
			p.change.Email, p.renames = &email, true
		case "blocked", "expirationDate":
			p.blocks = !s.mayLogIn(after)
			p.unblocks = !p.blocks
		}
	}
}

// result returns the user as the caller's change has left it.
func (p *patch) result() crud.Document {
	if p.timer == nil || p.timer.noted == nil || p.after == nil {
		return p.after
	}
	result := maps.Clone(p.after)
	delete(result, "expirationId")
	maps.Copy(result, pickFields(p.timer.noted, []string{"expirationId", "updatedAt"}))
	return result
}

// target returns the user that the caller names, whole, if the caller may see it.
// One whose account is just being made is refused with [ErrConflict].
func (s *Service) target(ctx context.Context, id string, params url.Values) (crud.Document, error) {
	caller := upstream.CallerFrom(ctx)
	user, err := s.Users.With(caller.StoreHeader(upstream.ACLRowsHeader, upstream.QueryEncodingHeader)).Get(ctx, id, params)
	if err != nil {
		return nil, err
	}
	if marked(user) {
		if _, err := s.adoptMarked(ctx, user, s.leftOver()); err != nil {
			return nil, err
		}
		return nil, refuse(ErrConflict, "the user's account is just being created; try again")
	}
	return user, nil
}

// readable returns what the caller may see of a user.
func readable(user crud.Document, caller upstream.Caller) crud.Document {
	columns := caller.ACL.Get(upstream.ACLReadColumnsHeader)
	if columns == "" {
		return user
	}
	names := strings.Split(columns, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return pickFields(user, append(names, "_id"))
}

func equalFold(value any, other string) bool {
	s, ok := value.(string)
	return ok && strings.EqualFold(s, other)
}
