package auth0test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Sow makes users of a JSON array, each as in the body of POST /api/v2/users; "connection" may
// be left out, and "password", of which then nobody knows what it is. The error says which is refused, by its number from 1; those before it are made.
func (t *Tenant) Sow(users []byte) error {
	var rows []map[string]any
	decoder := json.NewDecoder(bytes.NewReader(users))
	decoder.UseNumber()
	if err := decoder.Decode(&rows); err != nil {
		return errors.New("must be a JSON array of objects")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, row := range rows {
		row = withConnection(row)
		if row["password"] == nil {
			row["password"] = randomLetters(32)
		}
		c := &call{Request: &http.Request{}, tenant: t, body: encode(row), now: time.Now()}
		if _, err := createUser(c); err != nil {
			var refusal *reply
			errors.As(err, &refusal) // it is nothing else
			return fmt.Errorf("user %d: %s", i+1, refusal.bytes())
		}
	}
	return nil
}
