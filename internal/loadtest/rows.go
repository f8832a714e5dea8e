package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// A file is a CSV file of users of the demo group customers.
type file struct {
	rows   int
	arrays bool // each row has one, and the delimiter is a semicolon
	// expires is when the user of the first row does, and apart how much later each of the
	// others; zero: none does.
	expires time.Time
	apart   time.Duration
}

// delimiter is what stands between cells: where there are arrays it cannot be the comma.
func (f file) delimiter() string {
	if f.arrays {
		return ";"
	}
	return ","
}

// csv returns the file.
func (f file) csv() []byte {
	var b bytes.Buffer
	columns := []string{"userGroup", "username", "email", "name", "surname", "newsletter"}
	if f.arrays {
		columns = append(columns, "tags")
	}
	if !f.expires.IsZero() {
		columns = append(columns, "expirationDate")
	}
	fmt.Fprintln(&b, strings.Join(columns, f.delimiter()))
	for i := range f.rows {
		cells := []string{"customers", f.username(i), f.email(i), fmt.Sprintf("Name %d", i), "Surname", "true"}
		if f.arrays {
			cells = append(cells, fmt.Sprintf("[new, vip, tag %d]", i%100))
		}
		if !f.expires.IsZero() {
			cells = append(cells, f.expires.Add(time.Duration(i)*f.apart).UTC().Format("2006-01-02T15:04:05.000Z"))
		}
		fmt.Fprintln(&b, strings.Join(cells, f.delimiter()))
	}
	return b.Bytes()
}

func (f file) username(i int) string { return fmt.Sprintf("user-%d", i) }

func (f file) email(i int) string { return fmt.Sprintf("user-%d@example.com", i) }

// A storedUser is a row as the store keeps it.
type storedUser struct {
	id, username, email, createdAt string
	document                       map[string]any
}

// stored returns the users that the rows become.
func (f file) stored() []storedUser {
	users := make([]storedUser, f.rows)
	for i := range users {
		u := storedUser{id: fmt.Sprintf("6b0000000000000000%06x", i), username: f.username(i), email: f.email(i), createdAt: "2026-01-31T12:00:00.000Z"}
		u.document = map[string]any{
			"_id": u.id, "__STATE__": "PUBLIC", "creatorId": "public", "createdAt": u.createdAt, "updaterId": "public", "updatedAt": u.createdAt,
			"userGroup": "customers", "username": u.username, "email": u.email, "name": fmt.Sprintf("Name %d", i), "surname": "Surname", "newsletter": true,
		}
		if f.arrays {
			u.document["tags"] = []string{"new", "vip", fmt.Sprintf("tag %d", i%100)}
		}
		users[i] = u
	}
	return users
}
