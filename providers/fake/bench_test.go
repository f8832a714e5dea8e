package fake

import (
	"fmt"
	"testing"

	"user-manager/providers"
	"user-manager/secret"
)

func BenchmarkLogin(b *testing.B) {
	p, _ := open(b, nil)
	mustCreate(b, p, ada())
	b.ReportAllocs()
	for b.Loop() {
		mustLogin(b, p, "ada@example.com")
	}
}

func BenchmarkCreate(b *testing.B) {
	p, _ := open(b, nil)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		mustCreate(b, p, providers.NewAccount{
			Key:      fmt.Sprintf("%024x", i),
			Username: fmt.Sprintf("person%d", i),
			Email:    fmt.Sprintf("person%d@example.com", i),
			Password: secret.New(password),
		})
		i++
	}
}

// BenchmarkImport gives its figures by account, as BenchmarkCreate does; the imports are
// the largest that there may be.
func BenchmarkImport(b *testing.B) {
	p, _ := open(b, nil)
	b.ReportAllocs()
	accounts := people(b.N)
	b.ResetTimer()
	for chunk := range providers.ImportChunks(accounts, p.ImportLimits()) {
		mustImport(b, p, chunk)
	}
}

// BenchmarkImportAgain repeats an import of 500 accounts that are as they should be.
func BenchmarkImportAgain(b *testing.B) {
	p, _ := open(b, nil)
	accounts := people(maxImport)
	mustImport(b, p, accounts)
	b.ReportAllocs()
	for b.Loop() {
		mustImport(b, p, accounts)
	}
}

// BenchmarkMails sends change-password mails to an outbox that is full.
func BenchmarkMails(b *testing.B) {
	for _, limit := range []int{1000, 100_000} {
		b.Run(fmt.Sprintf("of %d", limit), func(b *testing.B) {
			p, _ := open(b, env{"FAKE_OUTBOX_LIMIT": fmt.Sprint(limit)})
			id := mustCreate(b, p, ada()).ID
			for filled := 0; filled < limit; filled += 1000 {
				fillOutbox(b, p, filled, 1000)
			}
			for b.Loop() {
				if err := p.ChangePassword(b.Context(), id); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
