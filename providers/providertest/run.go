package providertest

import (
	"testing"
	"testing/synctest"
	"time"

	"user-manager/providers"
)

// A Harness is a provider and what the suite may do with it besides. Checks that
// need a field which is nil are skipped.
type Harness struct {
	// Provider is empty: it has no accounts.
	Provider providers.Provider
	// Mails returns the addresses that mails went to, one for each mail.
	Mails func() []string
	// Advance lets time pass for the provider.
	Advance func(d time.Duration)
}

// checks are what a provider must do: a sentence of the interface's comments each.
var checks = []struct {
	name  string
	check func(*testing.T, Harness)
}{
	{"login: exchanges a user name and a password for a session", loginByUsername},
	{"login: exchanges an email address and a password for a session", loginByEmail},
	{"login: a session is either tokens or cookies", sessionIsTokensOrCookies},
	{"login: wrong credentials are ErrUnauthorized", wrongCredentials},
	{"login: a blocked account is ErrUnauthorized", blockedLogin},
	{"refresh: exchanges the tokens for a new session", refreshGivesSession},
	{"refresh: the access token may be expired", refreshAfterExpiry},
	{"refresh: a refresh token works once", refreshTwice},
	{"refresh: an unknown token is ErrUnauthorized", refreshUnknown},
	{"refresh: a token of a blocked account is ErrUnauthorized", refreshBlocked},
	{"refresh: a token of a deleted account is ErrUnauthorized", refreshDeleted},
	{"refresh: of several uses at once one wins", refreshAtOnce},
	{"userinfo: returns the properties of the ticket's account", userInfoOfOwner},
	{"userinfo: a missing ticket is ErrUnauthorized", userInfoMissing},
	{"userinfo: an unknown ticket is ErrUnauthorized", userInfoUnknown},
	{"userinfo: an expired ticket is ErrUnauthorized", userInfoExpired},
	{"userinfo: a ticket of a blocked account is ErrUnauthorized", userInfoBlocked},
	{"userinfo: a ticket of a deleted account is ErrUnauthorized", userInfoDeleted},

	{"create: makes an account", createMakesAccount},
	{"create: a user name or an email address will do", createWithOneName},
	{"create: a blocked account cannot log in", createBlocked},
	{"create: a taken email address is ErrConflict", createTakenEmail},
	{"create: a taken user name is ErrConflict", createTakenUsername},
	{"create: an account without a name is ErrInvalid", createNameless},
	{"create: of several with one email address at once one wins", createAtOnce},
	{"find: returns the account that a create with the key made", findByKey},
	{"find: a key that made nothing is ErrNotFound", findNothing},
	{"account: an unknown id is ErrNotFound", accountUnknown},
	{"update: changes what it is told to", updateChanges},
	{"update: a nil field stays as it is", updateKeeps},
	{"update: an empty name removes it", updateRemoves},
	{"update: a taken name is ErrConflict and changes nothing", updateTaken},
	{"update: to leave an account without a name is ErrInvalid", updateNameless},
	{"update: an unknown id is ErrNotFound", updateUnknown},
	{"update: to block an account ends its sessions", blockEndsSessions},
	{"update: an unblocked account can log in again", unblock},
	{"update: a login beside a block leaves no session", loginBesideBlock},
	{"delete: removes the account", deleteRemoves},
	{"delete: the names can be used again", deleteFreesNames},
	{"delete: an unknown id is ErrNotFound, or nothing", deleteUnknown},

	{"change password: mails the owner", mailsOwner},
	{"change password: an unknown id is ErrNotFound", mailUnknown},
	{"change password: an account without an address is ErrInvalid", mailWithoutAddress},

	{"import, if offered: has limits", importLimits},
	{"import, if offered: makes the accounts that do not exist", importMakes},
	{"import, if offered: brings the account with an id to what is given", importUpdatesByID},
	{"import, if offered: brings the account with a key to what is given", importUpdatesByKey},
	{"import, if offered: can be repeated, and then completes", importRepeats},
	{"import, if offered: beside itself makes no account twice", importBesideItself},
	{"import, if offered: refuses single accounts in their outcomes", importRefusesSingly},
	{"import, if offered: a refused change changes nothing", importUpdateRefused},
	{"import, if offered: of new accounts with one name the first is made", importTwins},
	{"import, if offered: new accounts have no password, and get one by mail", importWithoutPassword},
	{"import, if offered: a done context stops it", importDoneContext},
	{"import, if offered: refusals show no value but one that is not unique", importDiscreet},

	{"ping, if offered: says that all is well", ping},
	{"frontend, if offered: has a path and a handler", frontend},

	{"all calls: a done context stops them", doneContext},
	{"all calls: can be made at once", atOnce},
	{"all calls: errors show no value of an account", discreetErrors},
}

// Run runs every check as a subtest, each on its own empty provider from open. What
// open has to clean up it registers with its t.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.check(t, open(t)) })
	}
}

// RunInBubbles is [Run] with each check, and its call of open, in a synctest bubble: time
// passes when all wait for it.
func RunInBubbles(t *testing.T, open func(t *testing.T) Harness) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.check(t, open(t)) })
		})
	}
}
