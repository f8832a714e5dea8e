package management

import (
	"bytes"
	"encoding/json"

	"user-manager/providers"
)

// A row is an account in the file of a job. Its address counts as one that nobody has
// verified, as in accounts that are made singly: email_verified is left out, which means
// false.
type row struct {
	UserID   string `json:"user_id"`
	Email    string `json:"email"`
	Username string `json:"username,omitempty"`
	Blocked  bool   `json:"blocked,omitempty"`
}

// isRow reports whether a goes into a file: the rows of one are new and have an address.
func isRow(a providers.ImportAccount) bool { return a.ID == "" && a.Email != "" }

// encoded returns a's row in JSON.
func encoded(a providers.ImportAccount) []byte {
	line, _ := json.Marshal(row{UserID: a.Key, Email: a.Email, Username: a.Username, Blocked: a.Blocked}) // of text only: it does not fail
	return line
}

// fileOf returns the file of a job for accounts.
func fileOf(accounts []providers.ImportAccount) []byte {
	var file bytes.Buffer
	file.Grow(FileLimit)
	for i, a := range accounts {
		file.WriteByte("[,"[min(i, 1)])
		file.Write(encoded(a))
	}
	file.WriteByte(']')
	return file.Bytes()
}

const (
	jobsAtOnce = 2 // of a tenant
	// singleSize is what an account counts that goes by itself, in requests of its own: as
	// many as a file has room for take minutes at the rate of a free tenant, and not hours.
	singleSize = 512
	// mostRows bounds the rows of a job. In the worst case each has a name of somebody else,
	// and that none is ours is asked one by one: of two jobs that takes under an hour and a
	// half at the rate of a free tenant.
	mostRows = 5000
)

// limits are those of every [Importer]. A row has a comma or the opening bracket before it;
// the closing bracket is left out of the sum.
var limits = providers.ImportLimits{Accounts: mostRows, AtOnce: jobsAtOnce, Bytes: FileLimit - 1, Size: sizeOf}

func sizeOf(a providers.ImportAccount) int {
	if isRow(a) {
		return len(encoded(a)) + 1
	}
	return singleSize
}
