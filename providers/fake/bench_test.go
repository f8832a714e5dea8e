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
