package timer

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"
)

// dateFormat is how dates are written, here and in the store: UTC, with milliseconds.
const dateFormat = "2006-01-02T15:04:05.000Z"

// A Call is the body of a timer's call.
type Call struct {
	ExpirationDate string `json:"expirationDate"`
	Signature      string `json:"signature"`
}

// Verify returns the time that a timer's call for the user is about, or false when the call
// was not written by a holder of the secret for just this user, date and purpose, or with
// another version of signatures. How long it takes does not tell how much of a signature
// is right.
//
// It says nothing of now: a call that was true when its timer was scheduled may come at any
// time, and again.
func (c *Client) Verify(userID string, call Call) (at time.Time, ok bool) {
	want := c.signature(userID, call.ExpirationDate)
	if !hmac.Equal([]byte(want), []byte(call.Signature)) {
		return time.Time{}, false
	}
	at, err := time.Parse(dateFormat, call.ExpirationDate)
	return at, err == nil
}

// sign returns the body of the call that the user's timer for a time makes.
func (c *Client) sign(userID string, at time.Time) (Call, error) {
	date := at.UTC().Format(dateFormat)
	if _, err := time.Parse(dateFormat, date); err != nil {
		return Call{}, errors.New("expirationDate: its year has more than four digits")
	}
	return Call{ExpirationDate: date, Signature: c.signature(userID, date)}, nil
}

// Every part of a signed text has its length in front of it, so that no two calls have the
// same. The purpose keeps a signature from being of use anywhere else.
const (
	signatureVersion = "v1"
	signaturePurpose = "user-manager: expiration of a user"
)

func (c *Client) signature(userID, date string) string {
	mac := hmac.New(sha256.New, []byte(c.key.Reveal()))
	for _, part := range []string{signatureVersion, signaturePurpose, userID, date} {
		fmt.Fprintf(mac, "%d:%s", len(part), part) // a hash takes everything
	}
	return signatureVersion + "," + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
