package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime/multipart"
	"strings"
)

// importFile imports new users and changes of own ones by one file.
func (c *client) importFile(ctx context.Context) {
	n := 3 + c.rng.IntN(20)
	if c.number == 0 && c.rng.IntN(4) == 0 { // one client sends the large ones
		n = c.o.rows
	}
	var file strings.Builder
	file.WriteString("_id,userGroup,username,email,name,blocked,expirationDate\n")
	var people []*person
	var changes []change
	for _, p := range c.several(min(n/2, 10)) {
		c.made++
		name := fmt.Sprintf("Row %d", c.made)
		var ch change
		ch.apply = append(ch.apply, to(func(p *person) *belief[string] { return &p.alias }, name))
		blocked := ""
		if c.rng.IntN(3) == 0 {
			value := c.rng.IntN(2) == 0
			blocked = fmt.Sprint(value)
			ch.apply = append(ch.apply, to(func(p *person) *belief[bool] { return &p.blocked }, value))
		}
		fmt.Fprintf(&file, "%s,,,,%s,%s,\n", p.id, name, blocked)
		people, changes = append(people, p), append(changes, ch)
	}
	updates := len(people)
	for range n {
		p, _ := c.newPerson()
		p.roles.held = ""
		blocked := ""
		if p.blocked.held {
			blocked = "true"
		}
		fmt.Fprintf(&file, ",customers,%s,%s,%s,%s,%s\n", p.name, p.email.held, p.alias.held, blocked, p.until.held)
		people = append(people, p)
	}
	if c.rng.IntN(3) == 0 {
		file.WriteString(",customers,nobody,no address,,,\n") // it is invalid
		people = append(people, nil)
	}
	c.sendFile(ctx, file.String(), people, changes, updates)
}

// sendFile sends a file whose rows are of people: first those who are there, then new ones,
// then nil for a row that is wrong.
func (c *client) sendFile(ctx context.Context, file string, people []*person, changes []change, updates int) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "users.csv")
	if err == nil {
		_, err = part.Write([]byte(file))
	}
	if err = errors.Join(err, form.Close()); err != nil {
		c.book.wrong("form not made: %v", err)
		return
	}
	c.book.add(&c.book.imports, len(people))
	a := c.send(ctx, "import", "PATCH", "/users/import", body.Bytes(), "Content-Type", form.FormDataContentType())
	a.text = fmt.Sprintf("import of %d rows", len(people))
	var report struct {
		Updated, Inserted []string
		Invalid           []struct {
			Row   int
			Error string
		}
	}
	if a.done() && !c.into(a, &report) {
		return
	}
	invalid := map[int]string{}
	if a.done() {
		if got := len(report.Updated) + len(report.Inserted) + len(report.Invalid); got != len(people) {
			c.book.wrong("%d outcomes of %d rows: %v", got, len(people), a)
			return
		}
		c.book.add(&c.book.rows, len(people))
		for _, row := range report.Invalid {
			invalid[row.Row-2] = row.Error
		}
	}
	inserted := report.Inserted
	for i, p := range people {
		one := a
		if why, is := invalid[i]; is {
			one.status = 400
			one.text += ": " + why
		}
		switch {
		case p == nil:
			if a.done() && one.done() {
				c.book.wrong("a row that is wrong was taken: %v", a)
			}
		case i < updates:
			changes[i].follow(p, one)
		default:
			id := ""
			if one.done() && len(inserted) > 0 {
				id, inserted = inserted[0], inserted[1:]
			}
			c.created(p, one, id, false)
		}
	}
}
