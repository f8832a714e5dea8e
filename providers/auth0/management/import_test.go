package management

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/providers"
)

type (
	account = providers.ImportAccount
	outcome = providers.ImportOutcome
)

// stands, existed and refused are outcomes.
func stands(key string) outcome  { return outcome{ID: AccountID(key), Inserted: true} }
func existed(key string) outcome { return outcome{ID: AccountID(key)} }
func refused(code, message string) outcome {
	return outcome{Refusal: &providers.ImportRefusal{Code: code, Message: message}}
}

// there is a refusal of an account that stands.
func there(o outcome, key string) outcome {
	o.ID = AccountID(key)
	return o
}

const (
	notUnique = "A property has a non-unique value"
	nameTaken = `Property "username" has non-unique value: `
	mailTaken = `Property "email" has non-unique value: `
)

// TestImport: at the tenant are ada (a), and bob (b), who is blocked.
func TestImport(t *testing.T) {
	const a, b = "k-a ada ada@example.com", "k-b bob bob@example.com blocked"
	tests := map[string]struct {
		given  []account
		want   []outcome
		singly []string // requests for single accounts
		files  int
		at     []string
	}{
		"nothing": {want: []outcome{}, at: []string{a, b}},
		"new ones": {
			given: []account{{Key: "k-1", Username: "x", Email: "X@example.com"}, {Key: "k-2", Email: "y@example.com", Blocked: true}},
			want:  []outcome{stands("k-1"), stands("k-2")},
			files: 1, at: []string{"k-1 x x@example.com", "k-2  y@example.com blocked", a, b},
		},
		"new ones without an address": {
			given:  []account{{Key: "k-1", Username: "x"}, {Key: "k-2", Email: "y@example.com"}},
			want:   []outcome{stands("k-1"), stands("k-2")},
			singly: []string{"create x"}, files: 1, at: []string{"k-1 x ", "k-2  y@example.com", a, b},
		},
		"those that cannot be accounts": {
			given: []account{{Key: "k-1"}, {Key: "k-2", Email: strings.Repeat("x", FileLimit)}, {Key: "k-3", Email: "here"}},
			want: []outcome{refused("INVALID_FORMAT", "An account needs a username or an email address."),
				refused("INVALID_FORMAT", "The account is too large for an import."),
				refused("INVALID_FORMAT", "Object didn't pass validation for format email: ***")},
			files: 1, at: []string{a, b},
		},
		"names of others": {
			given: []account{{Key: "k-1", Username: "ada", Email: "x@example.com"}, {Key: "k-2", Email: "ada@example.com"}, {Key: "k-3", Username: "bob"}},
			want:  []outcome{refused("NON_UNIQUE_PROPERTY_VALUE", notUnique), refused("NON_UNIQUE_PROPERTY_VALUE", notUnique), refused("NON_UNIQUE_PROPERTY_VALUE", nameTaken+"bob")},
			files: 1, at: []string{a, b},
		},
		"those that are there already": {
			given: []account{{Key: "k-a", Username: "Ada", Email: "ADA@example.com"}, {Key: "k-b", Username: "bob", Email: "bob@example.com", Blocked: true}},
			want:  []outcome{stands("k-a"), stands("k-b")},
			files: 1, at: []string{a, b},
		},
		"those that were different": {
			given:  []account{{Key: "k-a", Username: "ada", Email: "new@example.com", Blocked: true}, {Key: "k-b", Username: "bob", Email: "bob@example.com"}},
			want:   []outcome{stands("k-a"), stands("k-b")},
			singly: []string{`{"blocked":false}`, `{"blocked":true}`, `{"connection":"people","email":"new@example.com"}`},
			files:  1, at: []string{"k-a ada new@example.com blocked", "k-b bob bob@example.com"},
		},
		"a block that stays although the name is taken": {
			given:  []account{{Key: "k-a", Username: "bob", Email: "ada@example.com", Blocked: true}},
			want:   []outcome{there(refused("NON_UNIQUE_PROPERTY_VALUE", nameTaken+"bob"), "k-a")},
			singly: []string{`{"blocked":true}`, `{"connection":"people","username":"bob"}`},
			files:  1, at: []string{a + " blocked", b},
		},
		"a block that stays although the address is none": {
			given:  []account{{Key: "k-a", Username: "ada", Email: "here", Blocked: true}, {Key: "k-1", Email: "there", Blocked: true}},
			want:   []outcome{there(refused("INVALID_FORMAT", "Payload validation error: 'Object didn't pass validation for format email: ***' on property email."), "k-a"), refused("INVALID_FORMAT", "Object didn't pass validation for format email: ***")},
			singly: []string{`{"blocked":true}`, `{"connection":"people","email":"here"}`},
			files:  1, at: []string{a + " blocked", b},
		},
		"one without an address that is there": {
			given:  []account{{Key: "k-a", Username: "ada"}},
			want:   []outcome{stands("k-a")},
			singly: []string{`{"connection":"people","email":null}`}, at: []string{"k-a ada ", b},
		},
		"those with an id": {
			given:  []account{{ID: AccountID("k-a"), Username: "x", Email: "ada@example.com"}, {ID: AccountID("k-b"), Username: "bob", Email: "bob@example.com", Blocked: true}, {ID: "auth0|k-c", Username: "c"}},
			want:   []outcome{existed("k-a"), existed("k-b"), refused("USER_NOT_FOUND", "The account does not exist")},
			singly: []string{`{"blocked":true}`, `{"connection":"people","username":"x"}`}, at: []string{"k-a x ada@example.com", b},
		},
		"a refused change of one with an id": {
			given:  []account{{ID: AccountID("k-a"), Username: "ada", Email: "bob@example.com", Blocked: true}},
			want:   []outcome{refused("NON_UNIQUE_PROPERTY_VALUE", mailTaken+"bob@example.com")},
			singly: []string{`{"blocked":true,"connection":"people","email":"bob@example.com"}`}, at: []string{a, b},
		},
		"a name that is given up": {
			given:  []account{{Key: "k-1", Username: "ada", Email: "x@example.com"}, {ID: AccountID("k-a"), Email: "ada@example.com"}},
			want:   []outcome{stands("k-1"), existed("k-a")},
			singly: []string{`{"connection":"people","username":null}`}, files: 1, at: []string{"k-1 ada x@example.com", "k-a  ada@example.com", b},
		},
		"twins in a file": {
			given: []account{{Key: "k-1", Username: "x", Email: "x@example.com"}, {Key: "k-2", Username: "y", Email: "x@example.com"}, {Key: "k-3", Username: "x", Email: "z@example.com"}},
			want:  []outcome{stands("k-1"), refused("NON_UNIQUE_PROPERTY_VALUE", mailTaken+"x@example.com"), refused("NON_UNIQUE_PROPERTY_VALUE", notUnique)},
			files: 1, at: []string{"k-1 x x@example.com", a, b},
		},
		"a twin in a file before one alone": {
			given:  []account{{Key: "k-1", Username: "x", Email: "x@example.com"}, {Key: "k-2", Username: "X"}},
			want:   []outcome{stands("k-1"), refused("NON_UNIQUE_PROPERTY_VALUE", nameTaken+"X")},
			singly: nil, files: 1, at: []string{"k-1 x x@example.com", a, b},
		},
		"a twin in a file after one alone": {
			given:  []account{{Key: "k-1", Username: "x"}, {Key: "k-2", Username: "x", Email: "x@example.com"}, {Key: "k-3", Username: "x"}},
			want:   []outcome{stands("k-1"), refused("NON_UNIQUE_PROPERTY_VALUE", notUnique), refused("NON_UNIQUE_PROPERTY_VALUE", nameTaken+"x")},
			singly: []string{"create x"}, files: 1, at: []string{"k-1 x ", a, b},
		},
		"twins alone": {
			given:  []account{{Key: "k-1", Username: "x"}, {Key: "k-2", Username: "x"}, {Key: "k-3", Username: "x"}},
			want:   []outcome{stands("k-1"), refused("NON_UNIQUE_PROPERTY_VALUE", nameTaken+"x"), refused("NON_UNIQUE_PROPERTY_VALUE", nameTaken+"x")},
			singly: []string{"create x"}, at: []string{"k-1 x ", a, b},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := people()
				d.took = time.Minute
				if diff := cmp.Diff(test.want, importAll(t, d.importer(), test.given...)); diff != "" {
					t.Errorf("outcomes (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(test.singly, d.log, sorted); diff != "" {
					t.Errorf("requests for single accounts (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(test.at, d.shown()); diff != "" {
					t.Errorf("accounts (-want +got):\n%s", diff)
				}
				if len(d.jobs) != test.files || d.upserts != 0 {
					t.Errorf("%d jobs, %d with upsert, want %d and none", len(d.jobs), d.upserts, test.files)
				}
				again := importAll(t, d.importer(), test.given...)
				if diff := cmp.Diff(codes(test.want), codes(again)); diff != "" {
					t.Errorf("outcomes of the same again (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(test.at, d.shown()); diff != "" {
					t.Errorf("accounts after the same again (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// many returns n new accounts, with values of a length that people have.
func many(n int) []account {
	accounts := make([]account, n)
	for i := range accounts {
		accounts[i] = account{Key: fmt.Sprintf("%024x", i+1), Username: fmt.Sprintf("person.%d", i), Email: fmt.Sprintf("person.%d@example.com", i), Blocked: i%7 == 0}
	}
	return accounts
}

// TestImportMany: more than one file holds, one Import after the other and two at once, keep
// below the limits of a tenant.
func TestImportMany(t *testing.T) {
	const n = 10000
	accounts := many(n)
	for name, share := range map[string]int{"one import": n, "two imports": n / 2} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newTenant()
				d.took = 3 * time.Minute
				done := make(chan []outcome)
				for at := 0; at < n; at += share {
					go func() {
						got, err := d.importer().Import(t.Context(), accounts[at:at+share])
						if err != nil {
							t.Errorf("Import: %s", describe(err))
						}
						done <- got
					}()
				}
				for range n / share {
					for _, o := range <-done {
						if !o.Inserted || o.Refusal != nil {
							t.Fatalf("outcome %+v", o)
						}
					}
				}
				if len(d.users) != n || d.largest > requestLimit || d.most > 2 {
					t.Errorf("%d accounts, a request of %d bytes, %d jobs at once", len(d.users), d.largest, d.most)
				}
				if share == n && d.largest < requestLimit*9/10 {
					t.Errorf("the largest request has %d bytes: the files are too small", d.largest)
				}
			})
		})
	}
}

// TestSizes: what the limits say of accounts is what their file has.
func TestSizes(t *testing.T) {
	accounts := append(many(100), account{Key: "k-k", Email: "<&>\u2028ü\xff@example.com", Username: `"\`})
	sum := 0
	for n := range accounts {
		sum += limits.Size(accounts[n])
		if got := len(fileOf(accounts[:n+1])); got != sum+1 {
			t.Fatalf("%d accounts of size %d make a file of %d bytes", n+1, sum, got)
		}
	}
	if limits.Bytes+1 != FileLimit {
		t.Errorf("a file that is full has %d bytes, want %d", limits.Bytes+1, FileLimit)
	}
	if got := fileOf(accounts[:1]); string(got) != `[{"user_id":"000000000000000000000001","email":"person.0@example.com","username":"person.0","blocked":true}]` {
		t.Errorf("file of one row: %s", got)
	}
}

// TestForm: the request around a full file keeps within the limit of a tenant, whatever the
// connection's name is.
func TestForm(t *testing.T) {
	file := make([]byte, FileLimit)
	contentType, body := Form(Field{"connection", strings.Repeat("c", 128)}, file, false, strings.Repeat("e", 255))
	if len(body) > requestLimit {
		t.Errorf("%d bytes around a full file", len(body)-len(file))
	}
	if !strings.HasPrefix(contentType, "multipart/form-data; boundary=") {
		t.Errorf("content type %q", contentType)
	}
	_, body = Form(Field{"connection_id", "con_ftSSLHb0O7rcUGmF"}, []byte("[]"), true, "")
	for _, part := range []string{"name=\"connection_id\"\r\n\r\ncon_ftSSLHb0O7rcUGmF\r\n", "name=\"upsert\"\r\n\r\ntrue\r\n", "name=\"send_completion_email\"\r\n\r\nfalse\r\n",
		"name=\"users\"; filename=\"users.json\"\r\nContent-Type: application/json\r\n\r\n[]\r\n"} {
		if !strings.Contains(string(body), part) {
			t.Errorf("%q is not in the form %q", part, body)
		}
	}
}

// TestSinglesAreFew: accounts that are made singly are so few in one Import that it ends
// within the time that it has.
func TestSinglesAreFew(t *testing.T) {
	accounts := make([]account, 5000)
	for i := range accounts {
		accounts[i] = account{Key: fmt.Sprint(i), Username: "x"}
	}
	for chunk := range providers.ImportChunks(accounts, (&Importer{}).ImportLimits()) {
		if len(chunk) > 1000 { // 2 a second: 8 minutes
			t.Errorf("%d accounts in an Import", len(chunk))
		}
	}
}

func BenchmarkFile(b *testing.B) {
	accounts := many(10000)
	for chunk := range providers.ImportChunks(accounts, limits) {
		accounts = chunk
		break
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(fileOf(accounts))))
	for b.Loop() {
		fileOf(accounts)
	}
}
