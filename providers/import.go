package providers

import (
	"context"
	"iter"
)

// Importer is a [Provider] that takes many accounts at once, faster than one at a
// time. It is found by a type assertion on the provider itself: a wrapper that means to
// pass it on implements it, and whoever looked behind one would get round it.
type Importer interface {
	// ImportLimits says what one Import may be given. It is always the same.
	ImportLimits() ImportLimits
	// Import makes the accounts that do not exist and brings those that do (found by
	// ID, or by Key when ID is "") to what is given. The outcomes are in the order of
	// accounts, one each.
	//
	// It can be repeated with the same accounts, also after it failed or its answer
	// was lost, and then completes: an account that an earlier Import with the same Key
	// made is that account, never a second one.
	//
	// An error means that the outcome of all is open: some may have been made. Only
	// when it is a refusal (see [upstream.Refused]) nothing was. A definite refusal of
	// single accounts is in their outcomes. It returns soon after ctx is done.
	//
	// Of new accounts that want one email address or user name, the first is made.
	// New accounts have no password: their owners set one by the mail of
	// [Mailer.ChangePassword].
	Import(ctx context.Context, accounts []ImportAccount) ([]ImportOutcome, error)
}

// ImportLimits are what one [Importer.Import] may be given, and how many may run.
type ImportLimits struct {
	Accounts int // most accounts of one Import; 0: no limit of its own
	AtOnce   int // most Imports at once; at least 1
	Bytes    int // most bytes that the Size of its accounts may sum to; 0: no limit
	// Size returns the bytes that one account adds to an Import; nil without Bytes.
	Size func(ImportAccount) int
}

// ImportAccount is an account as it is to be. It needs a user name or an email
// address, and in one Import no other may have its ID or Key.
type ImportAccount struct {
	ID       string // of the account that exists; "" for a new one
	Key      string // of a new one, as in [NewAccount]
	Username string // "" for none
	Email    string // "" for none
	Blocked  bool
}

// ImportOutcome is what became of one account.
type ImportOutcome struct {
	// ID is the account's. One that was refused has none, unless it stands all the same: an
	// earlier Import made it, and it could not be brought to what is given.
	ID string
	// Inserted: it was made, by this Import or an earlier one with the same Key.
	// Otherwise it existed and is as given.
	Inserted bool
	Refusal  *ImportRefusal // nil: it stands
}

// ImportChunks yields accounts in order, cut into parts that each keep within l's
// Accounts and Bytes and are as large as that allows. An account that is alone over
// Bytes is a part of its own. The parts are slices of accounts, not copies.
func ImportChunks(accounts []ImportAccount, l ImportLimits) iter.Seq[[]ImportAccount] {
	return func(yield func([]ImportAccount) bool) {
		for len(accounts) > 0 {
			n := l.Fitting(accounts)
			if !yield(accounts[:n:n]) {
				return
			}
			accounts = accounts[n:]
		}
	}
}

// Fitting returns how many of the first accounts one Import may be given: at least 1, and
// all where nothing limits them. There must be one.
func (l ImportLimits) Fitting(accounts []ImportAccount) int {
	most, bytes := len(accounts), 0
	if l.Accounts > 0 {
		most = min(most, l.Accounts)
	}
	if l.Bytes <= 0 {
		return most
	}
	for n, a := range accounts[:most] {
		if bytes += l.Size(a); bytes > l.Bytes {
			return max(n, 1)
		}
	}
	return most
}
