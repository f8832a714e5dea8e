package fake

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"unicode"

	"user-manager/crud"
	"user-manager/providers"
)

// scheme is what the ids of the fake's accounts begin with.
const scheme = "fake|"

// keyPattern is what an account's key looks like.
var keyPattern = regexp.MustCompile(`^[0-9a-f]{24}$`)

// An account is a document of the accounts collection.
type account struct {
	document     string // its id in the store
	key          string
	email        string
	username     string
	verified     bool // the email address
	passwordHash string
	// passwordVersion makes tickets work once: one that was made for another version
	// of the password is used or overtaken.
	passwordVersion int64
	blocked         bool
	// generation grows when all sessions of the account are to end. Tokens carry the
	// generation they were made in, and are worth nothing in any later one: so to
	// block an account and to end its sessions is one write, and a login that runs
	// beside it cannot leave a session behind.
	generation int64
	createdAt  string
	updatedAt  string
	lastLogin  string // "" for never
	logins     int64
}

func accountOf(doc crud.Document) account {
	return account{
		document:        text(doc, "_id"),
		key:             text(doc, keyField),
		email:           text(doc, emailField),
		username:        text(doc, usernameField),
		verified:        flag(doc, emailVerifiedField),
		passwordHash:    text(doc, passwordField),
		passwordVersion: number(doc, passwordVersionField),
		blocked:         flag(doc, blockedField),
		generation:      number(doc, generationField),
		createdAt:       text(doc, "createdAt"),
		updatedAt:       text(doc, "updatedAt"),
		lastLogin:       text(doc, lastLoginField),
		logins:          number(doc, loginsField),
	}
}

func (a account) id() string { return scheme + a.key }

// name is what the account is shown as where there is room for one name only.
func (a account) name() string {
	if a.email != "" {
		return a.email
	}
	return a.username
}

func (a account) nickname() string {
	nickname, _, _ := strings.Cut(a.name(), "@")
	return nickname
}

// public returns the account as the provider shows it.
func (a account) public() providers.Account {
	properties := map[string]any{
		"user_id":      a.id(),
		"name":         a.name(),
		"nickname":     a.nickname(),
		"created_at":   a.createdAt,
		"updated_at":   a.updatedAt,
		"logins_count": a.logins,
		"blocked":      a.blocked,
	}
	a.addNames(properties)
	if a.lastLogin != "" {
		properties["last_login"] = a.lastLogin
	}
	return providers.Account{ID: a.id(), Username: a.username, Email: a.email, Blocked: a.blocked, Properties: properties}
}

// userInfo returns the account as its owner sees it.
func (a account) userInfo() map[string]any {
	info := map[string]any{"sub": a.id(), "name": a.name(), "nickname": a.nickname(), "updated_at": a.updatedAt}
	a.addNames(info)
	return info
}

// addNames adds the properties that not every account has.
func (a account) addNames(properties map[string]any) {
	if a.email != "" {
		properties["email"], properties["email_verified"] = a.email, a.verified
	}
	if a.username != "" {
		properties["username"] = a.username
	}
}

// Create implements [providers.Directory].
func (p *Provider) Create(ctx context.Context, a providers.NewAccount) (providers.Account, error) {
	return call(ctx, p, "POST /users", func() (providers.Account, error) {
		doc, err := newDocument(a.Key, a.Username, a.Email, a.Blocked, "")
		if err != nil {
			return providers.Account{}, err
		}
		if doc[passwordField], err = hashPassword(a.Password); err != nil {
			return providers.Account{}, err
		}
		id, err := p.accounts.Insert(ctx, doc)
		if errors.Is(err, crud.ErrDuplicate) {
			return providers.Account{}, p.taken(ctx, "", doc)
		}
		if err != nil {
			return providers.Account{}, err
		}
		doc, err = p.accounts.Get(ctx, id, nil)
		return accountOf(doc).public(), err
	})
}

// newDocument returns what is stored for a new account, or why it is none.
func newDocument(key, username, email string, blocked bool, passwordHash string) (crud.Document, error) {
	username, email = strings.ToLower(username), strings.ToLower(email)
	switch {
	case !keyPattern.MatchString(key):
		return nil, invalid("The key must be 24 lower-case hexadecimal digits.")
	case username == "" && email == "":
		return nil, errNameless
	}
	if err := errors.Join(checkUsername(username), checkEmail(email)); err != nil {
		return nil, err
	}
	doc := crud.Document{
		keyField: key, emailVerifiedField: false, blockedField: blocked,
		passwordField: passwordHash, passwordVersionField: 1, generationField: 1, loginsField: 0,
	}
	if username != "" {
		doc[usernameField] = username
	}
	if email != "" {
		doc[emailField] = email
	}
	return doc, nil
}

var errNameless = invalid("An account needs a username or an email address.")

func checkUsername(username string) error {
	if strings.TrimSpace(username) != username || strings.ContainsFunc(username, unicode.IsControl) {
		return invalid("The username must not begin or end with white space or contain control characters.")
	}
	return nil
}

// checkEmail is lenient on purpose: what a mail address is, is decided where users
// are made; here it must only be possible to log in with it.
func checkEmail(email string) error {
	if email == "" {
		return nil
	}
	local, domain, _ := strings.Cut(email, "@")
	if local == "" || domain == "" || strings.ContainsFunc(email, unicode.IsSpace) || strings.ContainsFunc(email, unicode.IsControl) {
		return invalid("The email address does not look like one.")
	}
	return nil
}

// taken returns the refusal for the value of doc that another account than the one
// with the given key has.
func (p *Provider) taken(ctx context.Context, key string, doc crud.Document) error {
	for _, field := range uniqueNames {
		if doc[field] == nil {
			continue
		}
		other, err := p.accountWhere(ctx, field, text(doc, field))
		if err == nil && other.key != key {
			return conflict(field)
		}
		if err != nil && !errors.Is(err, errNoSuchUser) {
			return err
		}
	}
	return errTaken
}

// Find implements [providers.Directory].
func (p *Provider) Find(ctx context.Context, a providers.NewAccount) (providers.Account, error) {
	return p.Account(ctx, scheme+a.Key)
}

// Account implements [providers.Directory].
func (p *Provider) Account(ctx context.Context, id string) (providers.Account, error) {
	return call(ctx, p, "GET /users/:id", func() (providers.Account, error) {
		a, err := p.accountWithID(ctx, id)
		return a.public(), err
	})
}

// accountWithID returns the account with the given id, or errNoSuchUser.
func (p *Provider) accountWithID(ctx context.Context, id string) (account, error) {
	key, ok := strings.CutPrefix(id, scheme)
	if !ok {
		return account{}, errNoSuchUser
	}
	return p.accountWhere(ctx, keyField, key)
}

// accountWhere returns the account in which a unique field has the given value, or
// errNoSuchUser.
func (p *Provider) accountWhere(ctx context.Context, field, value string) (account, error) {
	doc, err := p.accounts.First(ctx, crud.Query{Filter: crud.Document{field: value}})
	if errors.Is(err, crud.ErrNotFound) {
		return account{}, errNoSuchUser
	}
	return accountOf(doc), err
}

// Update implements [providers.Directory].
func (p *Provider) Update(ctx context.Context, id string, c providers.Change) (providers.Account, error) {
	return call(ctx, p, "PATCH /users/:id", func() (providers.Account, error) {
		before, err := p.accountWithID(ctx, id)
		if err != nil {
			return providers.Account{}, err
		}
		after, err := p.change(ctx, before, c)
		return after.public(), err
	})
}

// change brings c about and returns a after it.
func (p *Provider) change(ctx context.Context, a account, c providers.Change) (account, error) {
	update, err := updateOf(a, c)
	if err != nil || len(update) == 0 {
		return a, err
	}
	after, err := p.patch(ctx, a, update)
	if err == nil && after.blocked {
		p.removeSessions(ctx, after.key)
	}
	return after, err
}

// patch applies update to a and returns a after it.
func (p *Provider) patch(ctx context.Context, a account, update crud.Document) (account, error) {
	doc, err := p.accounts.Patch(ctx, a.document, update, nil)
	switch {
	case errors.Is(err, crud.ErrNotFound):
		return account{}, errNoSuchUser
	case errors.Is(err, crud.ErrDuplicate):
		set, _ := update["$set"].(crud.Document)
		return account{}, p.taken(ctx, a.key, set)
	}
	return accountOf(doc), err
}

// updateOf returns the operators that bring c about, empty when a is like that.
func updateOf(a account, c providers.Change) (crud.Document, error) {
	set, unset := crud.Document{}, crud.Document{}
	change := func(field, before string, to *string, check func(string) error) (after string, err error) {
		if to == nil {
			return before, nil
		}
		after = strings.ToLower(*to)
		switch {
		case after == before:
		case after == "":
			unset[field] = true
		default:
			set[field] = after
		}
		return after, check(after)
	}
	username, errUsername := change(usernameField, a.username, c.Username, checkUsername)
	email, errEmail := change(emailField, a.email, c.Email, checkEmail)
	if err := errors.Join(errUsername, errEmail); err != nil {
		return nil, err
	}
	if username == "" && email == "" {
		return nil, errNameless
	}
	if email != a.email {
		set[emailVerifiedField] = false
	}
	update := crud.Document{}
	if c.Blocked != nil {
		set[blockedField] = *c.Blocked
		if *c.Blocked {
			update["$inc"] = crud.Document{generationField: 1}
		}
	}
	if len(set) > 0 {
		update["$set"] = set
	}
	if len(unset) > 0 {
		update["$unset"] = unset
	}
	return update, nil
}

// Delete implements [providers.Directory].
func (p *Provider) Delete(ctx context.Context, id string) error {
	return callOnly(ctx, p, "DELETE /users/:id", func() error {
		key, ok := strings.CutPrefix(id, scheme)
		if !ok {
			return errNoSuchUser
		}
		deleted, err := p.accounts.DeleteAll(ctx, crud.Query{Filter: crud.Document{keyField: key}})
		if err != nil {
			return err
		}
		if deleted == 0 {
			return errNoSuchUser
		}
		p.removeSessions(ctx, key)
		return nil
	})
}
