package users

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"user-manager/crud"
	"user-manager/validation"
)

// storeFields are set by the store, in every document.
var storeFields = []string{"_id", "__STATE__", "creatorId", "createdAt", "updaterId", "updatedAt"}

// reservedFields are set by this service alone.
var reservedFields = []string{"authUserId", "expirationId"}

// standardFields are those of every user, whatever its group's schema says of them.
type standardFields struct {
	Username       *string  `json:"username" validate:"omitnil,min=1,max=128"`
	Email          *string  `json:"email" validate:"omitnil,email,max=320"`
	Blocked        *bool    `json:"blocked"`
	UserGroup      *string  `json:"userGroup" validate:"required,min=1"`
	Roles          []string `json:"roles" validate:"dive,min=1"`
	ExpirationDate *string  `json:"expirationDate"`
}

// standardNames are the names of the standardFields.
var standardNames = []string{"username", "email", "blocked", "userGroup", "roles", "expirationDate"}

// accountFields are those of a user that its account has to know of.
var accountFields = []string{"username", "email", "__STATE__", "blocked", "expirationDate"}

// makingFields are those of a user that its account is made by: those that it has to know of,
// and what it is granted.
func (s *Service) makingFields() []string {
	if s.Rond == nil {
		return accountFields
	}
	return append(slices.Clone(accountFields), "roles")
}

// refuseFields refuses a document that has one of the fields.
func refuseFields(doc crud.Document, fields ...string) error {
	for _, field := range fields {
		if _, ok := doc[field]; ok {
			return refuse(ErrInvalid, "%s: cannot be set by the client", field)
		}
	}
	return nil
}

// checkStandard checks the types and formats of the standard fields, and brings an
// expirationDate to the form that the store keeps.
func checkStandard(user crud.Document) (standardFields, error) {
	var fields standardFields
	for _, name := range standardNames {
		if value, ok := user[name]; ok && value == nil {
			return fields, refuse(ErrInvalid, "%s: must not be null", name)
		}
	}
	if err := intoStruct(pickFields(user, standardNames), &fields); err != nil {
		return fields, err
	}
	if wrong := validation.Check(fields); wrong != "" {
		return fields, refuse(ErrInvalid, "%s", wrong)
	}
	if fields.ExpirationDate != nil {
		at, err := parseDate(*fields.ExpirationDate)
		if err != nil {
			return fields, refuse(ErrInvalid, "expirationDate: must be an RFC 3339 date-time or a date")
		}
		user["expirationDate"] = at.UTC().Format(dateLayout)
	}
	return fields, nil
}

// checkNotExpired refuses a user whose expirationDate has passed. The date must have
// been checked.
func checkNotExpired(user crud.Document, now time.Time) error {
	if date := text(user, "expirationDate"); date != "" {
		if at, err := parseDate(date); err != nil || !at.After(now) {
			return refuse(ErrInvalid, "expirationDate: must be in the future")
		}
	}
	return nil
}

func pickFields(doc crud.Document, names []string) crud.Document {
	picked := crud.Document{}
	for _, name := range names {
		if value, ok := doc[name]; ok {
			picked[name] = value
		}
	}
	return picked
}

// intoStruct decodes doc into a struct; a field of another type is a Refusal that
// names it.
func intoStruct(doc crud.Document, to any) error {
	encoded, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("encode fields: %w", err)
	}
	err = json.Unmarshal(encoded, to)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return refuse(ErrInvalid, "%s", validation.WrongType(wrong))
	}
	return err
}

// withoutOwn returns the user as its group's schema sees it: without the fields of
// the store and of this service.
func withoutOwn(user crud.Document) crud.Document {
	return without(user, slices.Concat(storeFields, reservedFields)...)
}
