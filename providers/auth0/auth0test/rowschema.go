package auth0test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// rowSchema is what rows may have beside what a new user may.
var rowSchema = func() map[string]property {
	properties := userProperties(false)
	for _, name := range []string{"connection", "password", "verify_email"} {
		delete(properties, name)
	}
	properties["user_id"] = createSchema.properties["user_id"]
	hash := regexp.MustCompile(`^\$2[ab]\$10\$[./A-Za-z0-9]{53}$`)
	properties["password_hash"] = property{kind: "string", pattern: hash.String(), form: hash.MatchString}
	properties["custom_password_hash"] = property{kind: "object"}
	properties["mfa_factors"] = property{kind: "array"}
	return properties
}()

// checkRow returns why a row breaks the schema.
func checkRow(row map[string]any) []rowError {
	var errs []rowError
	add := func(code, name, reason string) {
		path := "identities[0].profileData." + name
		errs = append(errs, rowError{code, "Error in " + path + " property - " + reason, path})
	}
	if row["email"] == nil {
		add(missing, "email", "Missing required property: email")
		return errs
	}
	for _, name := range slices.Sorted(maps.Keys(row)) {
		p, known := rowSchema[name]
		if !known {
			errs = append(errs, rowError{Code: notPassed, Message: "Additional properties not allowed: " + name, Path: name})
			continue
		}
		if reason := p.wrong(row[name]); reason != "" {
			add(codeOf(reason), name, reason)
		}
	}
	if row["password_hash"] != nil && row["custom_password_hash"] != nil {
		add(notPassed, "password_hash", "Only one of password_hash and custom_password_hash may be given")
	}
	if algorithm, wrong := unknownAlgorithm(row); wrong {
		add(noSuch, "custom_password_hash.algorithm", "No enum match for: "+algorithm)
	}
	switch factors, ok := row["mfa_factors"].([]any); {
	case ok && len(factors) < 1:
		add(tooFew, "mfa_factors", "Array is too short (0), minimum 1")
	case len(factors) > 10:
		add(tooMany, "mfa_factors", fmt.Sprintf("Array is too long (%d), maximum 10", len(factors)))
	}
	if err := checkMetadata(row); err != nil {
		errs = append(errs, rowError{Code: notPassed, Message: "Metadata has a property name that is not allowed"})
	}
	return errs
}

var algorithms = []string{"argon2", "bcrypt", "hmac", "ldap", "md4", "md5", "sha1", "sha256", "sha512", "pbkdf2", "scrypt"}

// unknownAlgorithm reports a custom_password_hash of no known algorithm.
func unknownAlgorithm(row map[string]any) (string, bool) {
	custom, ok := row["custom_password_hash"].(map[string]any)
	algorithm := textOrEmpty(custom["algorithm"])
	return algorithm, ok && !slices.Contains(algorithms, algorithm)
}

// codeOf returns the code of a reason that a property is wrong.
func codeOf(reason string) string {
	for begin, code := range map[string]string{
		"Expected type": badType, "String is too short": tooShort, "String is too long": tooLong, "String does not match": badPattern,
	} {
		if strings.HasPrefix(reason, begin) {
			return code
		}
	}
	return badFormat
}

// masked returns a row as it was sent, without its secrets.
func masked(row map[string]any) map[string]any {
	row = maps.Clone(row)
	if row["password_hash"] != nil {
		row["password_hash"] = "*****"
	}
	for _, name := range []string{"custom_password_hash", "mfa_factors"} {
		if row[name] != nil {
			row[name] = maskedValue(row[name])
		}
	}
	return row
}

// maskedValue masks what is called a value, a key or a secret, at any depth.
func maskedValue(v any) any {
	var copied any
	_ = json.Unmarshal(encode(v), &copied) // it came from JSON
	mask(copied)
	return copied
}

func mask(v any) {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			mask(element)
		}
	case map[string]any:
		for name, value := range v {
			if name == "value" || name == "key" || name == "secret" {
				v[name] = "*****"
			} else {
				mask(value)
			}
		}
	}
}
