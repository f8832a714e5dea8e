package users

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"strings"
	"time"

	"user-manager/crud"
	"user-manager/crud/document"
	"user-manager/providers"
	"user-manager/secret"
	"user-manager/upstream"
)

// CreateOptions are the choices of a creation.
type CreateOptions struct {
	// PostponeAccount: only the user is made; Register makes the account later.
	PostponeAccount bool
	// SkipPasswordMail: the owner gets no mail with a link that sets a password.
	SkipPasswordMail bool
}

// Created is what came of a creation.
type Created struct {
	ID string `json:"_id"`
	// Warnings say what was left undone although the user stands.
	Warnings []string `json:"warnings,omitempty"`
}

// Create makes a user of the given fields ("password" among them goes to the account
// only), and its account unless the group has none or it is postponed. The fields
// must match the group's schema. Refusals are [ErrInvalid]; upstreams' are passed on.
func (s *Service) Create(ctx context.Context, fields crud.Document, opts CreateOptions) (Created, error) {
	checked, err := s.checkCreation(ctx, fields, opts, s.groups.group)
	if err != nil {
		return Created{}, err
	}
	if checked.alone && s.retimed(nil, checked.user) == nil {
		id, err := s.insertAlone(context.WithoutCancel(ctx), checked.user)
		return Created{ID: id}, err
	}
	c, err := s.createMarked(ctx, checked)
	taken := errors.Is(err, crud.ErrDuplicate) || errors.Is(err, providers.ErrConflict)
	if taken && s.settleClash(ctx, nameDigests(checked.user)) {
		c, err = s.createMarked(ctx, checked)
	}
	if err != nil {
		return Created{}, err
	}
	return Created{ID: c.userID, Warnings: s.mailPassword(ctx, c, opts.SkipPasswordMail || checked.alone)}, nil
}

// createMarked makes a user that takes several steps.
func (s *Service) createMarked(ctx context.Context, checked checkedUser) (*creation, error) {
	c := s.newCreation(creatingMark, checked.user, checked.password)
	c.user, c.timer = maps.Clone(checked.user), s.retimed(nil, checked.user)
	order := s.createOrder
	if checked.alone {
		order = s.createAloneOrder
	}
	n := note{Kind: noteCreate, Key: c.account.Key, Names: nameDigests(checked.user)}
	defer c.hold.end()
	return c, s.carryOut(ctx, n, nil, order(c))
}

// nameDigests stand for the user's name and address where they need not be read.
func nameDigests(user crud.Document) []string {
	var digests []string
	for _, field := range []string{"username", "email"} {
		if name := text(user, field); name != "" {
			sum := sha256.Sum256([]byte(field + " " + strings.ToLower(name)))
			digests = append(digests, hex.EncodeToString(sum[:16]))
		}
	}
	return digests
}

// checkNew checks the fields of a user that is to be made, and returns its group. It
// states the state: by another default of the collection the user could not log in, but
// its account could.
func (s *Service) checkNew(ctx context.Context, user crud.Document, find groupFinder) (*group, error) {
	standard, err := checkStandard(user)
	if err != nil {
		return nil, err
	}
	if err := checkNotExpired(user, s.Now()); err != nil {
		return nil, err
	}
	group, err := find(ctx, *standard.UserGroup)
	if err != nil {
		return nil, err
	}
	user["__STATE__"] = crud.Public
	return group, group.check(user)
}

// takePassword removes the password from the fields and returns it.
func takePassword(fields crud.Document) (secret.Text, error) {
	value, given := fields["password"]
	delete(fields, "password")
	if !given || value == nil {
		return secret.Text{}, nil
	}
	password, ok := value.(string)
	if !ok {
		return secret.Text{}, refuse(ErrInvalid, "password: must be a string")
	}
	return secret.New(password), nil
}

// checkAccountName refuses a user whose account would have nothing to log in with.
func checkAccountName(user crud.Document) error {
	if text(user, "username") == "" && text(user, "email") == "" {
		return refuse(ErrInvalid, "username, email: an account needs one of them")
	}
	return nil
}

// newCreation plans an account for user, under a key of its own.
func (s *Service) newCreation(mark string, user crud.Document, password secret.Text) *creation {
	if s.RandomPassword || password.IsZero() {
		password = secret.RandomPassword(s.PasswordLength)
	}
	return &creation{
		mark: mark,
		account: providers.NewAccount{
			Key:      newKey(),
			Username: text(user, "username"),
			Email:    text(user, "email"),
			Password: password,
			Blocked:  !s.mayLogIn(user),
		},
	}
}

// mailPassword has the provider send the owner of a new account a mail, and returns
// what to tell the caller when that fails.
func (s *Service) mailPassword(ctx context.Context, c *creation, skip bool) []string {
	if skip {
		return nil
	}
	if c.account.Email == "" {
		s.Log.WarnContext(ctx, "change-password email not sent: the user has no email")
		return []string{"no change-password email was sent: the user has no email"}
	}
	if err := s.provider.ChangePassword(context.WithoutCancel(ctx), c.authUserID); err != nil {
		s.Log.WarnContext(ctx, "change-password email not sent", "err", err)
		return []string{"the change-password email was not sent: " + err.Error()}
	}
	return nil
}

// clockSkew is how far the store's clock may be behind ours.
const clockSkew = time.Minute

// insertAlone inserts a user that gets no account. When the store's answer is lost,
// the user is looked for: one with the very same content, made since, is the one
// that the caller asked for.
func (s *Service) insertAlone(ctx context.Context, user crud.Document) (string, error) {
	since := s.Now()
	if !s.StoreIsOurs {
		since = since.Add(-clockSkew)
	}
	id, err := s.Users.Insert(ctx, user)
	if err == nil || upstream.Refused(err) {
		return id, err
	}
	id, lost := s.findInserted(ctx, user, since)
	if lost != nil {
		s.Log.WarnContext(ctx, "user whose insertion got no answer not looked for", "err", lost)
	}
	if id == "" {
		return "", err
	}
	return id, nil
}

// findInserted returns the id of the newest user made since then that has the fields
// of user and no other, or "".
func (s *Service) findInserted(ctx context.Context, user crud.Document, since time.Time) (string, error) {
	conditions := []any{map[string]any{"createdAt": map[string]any{"$gte": since.UTC().Format(dateLayout)}}}
	for field, value := range withoutOwn(user) {
		switch value.(type) {
		case string, bool, float64:
			conditions = append(conditions, map[string]any{field: value})
		}
	}
	found, err := s.Users.List(ctx, crud.Query{Filter: map[string]any{"$and": conditions}, States: crud.AllStates, Sort: "-createdAt", Limit: 100})
	if err != nil {
		return "", err
	}
	for _, candidate := range found {
		if document.Equal(withoutOwn(candidate), withoutOwn(user)) && accountID(candidate) == "" {
			return text(candidate, "_id"), nil
		}
	}
	return "", nil
}

// CreateWithID makes a user of an account that exists; fields holds its authUserId.
// The user takes its name and address from the account where fields has none.
// Refusals are [ErrInvalid], [ErrConflict] when the account has a user already, and
// [ErrNotFound] when the provider does not know it.
func (s *Service) CreateWithID(ctx context.Context, fields crud.Document) (string, error) {
	if err := refuseFields(fields, append(storeFields, "expirationId", "password")...); err != nil {
		return "", err
	}
	user := maps.Clone(fields)
	authUserID, ok := user["authUserId"].(string)
	if !ok || authUserID == "" || marked(user) {
		return "", refuse(ErrInvalid, "authUserId: is required and must be the id of an account")
	}
	if _, err := checkStandard(user); err != nil { // before anybody is asked
		return "", err
	}
	unlock, err := s.locks.Lock(ctx, accountLock(authUserID))
	if err != nil {
		return "", err
	}
	defer unlock()
	a, err := s.planAdoption(ctx, user, authUserID)
	if err != nil {
		return "", err
	}
	defer a.hold.end()
	n := note{Kind: noteWithID, AuthUserID: authUserID, Unblock: a.block}
	if err := s.carryOut(ctx, n, s.stillFree(authUserID), s.adoptOrder(a)); err != nil {
		return "", err
	}
	return a.userID, nil
}

// planAdoption checks the user of an account and completes it from the account.
func (s *Service) planAdoption(ctx context.Context, user crud.Document, authUserID string) (*adoption, error) {
	left := func(n note) bool { return n.Kind == noteWithID && n.AuthUserID == authUserID }
	for _, n := range s.journal.settleable(true, left) {
		if ignoreMinor(s.settleLocked(ctx, n)) != nil {
			return nil, refuse(ErrConflict, "authUserId: an earlier request for this account is not settled yet; try again")
		}
	}
	if err := s.checkFree(ctx, authUserID); err != nil {
		return nil, err
	}
	account, err := s.provider.Account(ctx, authUserID)
	if errors.Is(err, providers.ErrNotFound) {
		return nil, refuse(ErrNotFound, "authUserId: the provider knows no such account")
	}
	if err != nil {
		return nil, err
	}
	if err := completeFromAccount(user, account); err != nil {
		return nil, err
	}
	if _, err := s.checkNew(ctx, user, s.groups.group); err != nil {
		return nil, err
	}
	if account.Blocked && s.mayLogIn(user) {
		return nil, refuse(ErrInvalid, "blocked: the account is blocked; create the user blocked and unblock it then")
	}
	return &adoption{user: user, account: account, block: !s.mayLogIn(user) && !account.Blocked, timer: s.retimed(nil, user)}, nil
}

// checkFree refuses an account that has a user.
func (s *Service) checkFree(ctx context.Context, authUserID string) error {
	_, err := s.findByAuthUserID(ctx, authUserID)
	if err == nil {
		return refuse(ErrConflict, "authUserId: there is a user with this account already")
	}
	return ignore(err, crud.ErrNotFound)
}

// stillFree returns what checks again, under the lock, that an account has no user; nil
// where nobody else could have given it one.
func (s *Service) stillFree(authUserID string) func(context.Context) error {
	if !s.journal.shared() {
		return nil
	}
	return func(ctx context.Context) error { return s.checkFree(ctx, authUserID) }
}

// completeFromAccount gives user what it has not got but its account has. A name or
// address other than the account's is refused: it would not reach the account.
func completeFromAccount(user crud.Document, account providers.Account) error {
	for field, value := range map[string]string{"username": account.Username, "email": account.Email} {
		given, has := user[field]
		switch {
		case !has && value != "":
			user[field] = value
		case has && !equalFold(given, value):
			return refuse(ErrInvalid, "%s: is not that of the account", field)
		}
	}
	if _, has := user["blocked"]; !has && account.Blocked {
		user["blocked"] = true
	}
	return nil
}
