package users

import (
	"context"
	"errors"
	"maps"
	"slices"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/upstream"
)

// UserInfoFields says which fields of the user are added to the properties of its
// account. The zero value adds none.
type UserInfoFields struct {
	All   bool
	Names []string // "permissions" among them adds the permissions of the user's roles
}

// permissionsField is where the permissions stand in a user's info.
const permissionsField = "permissions"

// notLogged is the documented answer to who has an account but no user.
const notLogged = "Missing authUserId, user not logged"

// UserInfo returns the properties of the account that the ticket is for, and over
// them the fields of its user that are configured. It refuses with [ErrUnauthorized] who has
// no user that may log in.
func (s *Service) UserInfo(ctx context.Context, ticket providers.Ticket) (map[string]any, error) {
	account, err := s.provider.UserInfo(ctx, ticket)
	if err != nil {
		return nil, err
	}
	id, _ := account[s.UserIDKey].(string)
	if id == "" {
		return nil, refuse(ErrUnauthorized, notLogged)
	}
	user, err := s.Users.First(ctx, crud.Query{Filter: map[string]any{"authUserId": id}})
	if errors.Is(err, crud.ErrNotFound) {
		return nil, refuse(ErrUnauthorized, notLogged)
	}
	if err != nil {
		return nil, err
	}
	if !s.mayLogIn(user) {
		return nil, refuse(ErrUnauthorized, "the user is blocked or has expired")
	}
	fields, err := s.infoFields(ctx, user)
	if err != nil {
		return nil, err
	}
	delete(fields, "sub") // who it is, the provider alone says
	delete(fields, s.UserIDKey)
	maps.Copy(account, fields)
	return account, nil
}

// infoFields returns the configured fields of the user, as far as the caller may see
// them, and its permissions.
func (s *Service) infoFields(ctx context.Context, user crud.Document) (map[string]any, error) {
	seen := maps.Clone(readable(user, upstream.CallerFrom(ctx)))
	delete(seen, permissionsField) // they are the roles', not the user's
	if s.InfoFields.All {
		return seen, nil
	}
	info := pickFields(seen, s.InfoFields.Names)
	if s.Roles == nil || !slices.Contains(s.InfoFields.Names, permissionsField) {
		return info, nil
	}
	permissions, err := s.permissions(ctx, user)
	if err != nil {
		return nil, err
	}
	info[permissionsField] = permissions
	return info, nil
}

// permissions returns the sorted union of the permissions of the user's roles.
func (s *Service) permissions(ctx context.Context, user crud.Document) ([]string, error) {
	permissions := []string{}
	roles, _ := user["roles"].([]any)
	if len(roles) == 0 {
		return permissions, nil
	}
	q := crud.Query{Filter: map[string]any{"roleId": map[string]any{"$in": roles}}, Fields: []string{permissionsField}}
	for role, err := range s.Roles.All(ctx, q) {
		if err != nil {
			return nil, err
		}
		granted, _ := role[permissionsField].([]any)
		for _, permission := range granted {
			if name, ok := permission.(string); ok {
				permissions = append(permissions, name)
			}
		}
	}
	slices.Sort(permissions)
	return slices.Compact(permissions), nil
}
