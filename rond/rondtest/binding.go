package rondtest

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"
)

// States of a binding in the CRUD Service. Only public ones are evaluated, and revoked.
const (
	public = "PUBLIC"
	draft  = "DRAFT"
)

// A Binding is one as the CRUD Service has it. A list that is nil is not there; an update
// leaves empty ones.
type Binding struct {
	ID          string    `json:"_id"`
	BindingID   string    `json:"bindingId"`
	Subjects    []string  `json:"subjects,omitzero"`
	Groups      []string  `json:"groups,omitzero"`
	Roles       []string  `json:"roles,omitzero"`
	Permissions []string  `json:"permissions,omitzero"`
	Resource    *Resource `json:"resource,omitempty"`
	State       string    `json:"__STATE__"`
	CreatorID   string    `json:"creatorId"`
	UpdaterID   string    `json:"updaterId"`
	CreatedAt   string    `json:"createdAt"`
	UpdatedAt   string    `json:"updatedAt"`
}

// A Resource is what a binding is limited to.
type Resource struct {
	Type string `json:"resourceType"`
	ID   string `json:"resourceId"`
}

// complete returns b as it is kept when somebody makes it: empty lists are left out, and what
// is missing is made up.
func (b Binding) complete(state, author string) Binding {
	for _, list := range []*[]string{&b.Subjects, &b.Groups, &b.Roles, &b.Permissions} {
		if len(*list) == 0 {
			*list = nil
		}
	}
	missing := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	missing(&b.ID, hex.EncodeToString(random(12)))
	missing(&b.BindingID, uuid())
	missing(&b.State, state)
	missing(&b.CreatorID, author)
	missing(&b.UpdaterID, author)
	missing(&b.CreatedAt, now())
	missing(&b.UpdatedAt, b.CreatedAt)
	return b
}

func now() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000Z") }

// uuid returns a random one, of version 4.
func uuid() string {
	b := random(16)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}
