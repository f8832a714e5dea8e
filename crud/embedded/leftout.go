package embedded

import "net/http"

// omission is something that the CRUD Service can do and this store does not.
type omission string

const (
	omitGeo         omission = "geographic search"
	omitText        omission = "text search"
	omitSpreadsheet omission = "a spreadsheet"
	omitEncoding    omission = "an import in another encoding than UTF-8 or Latin-1"
	omitRaw         omission = "an operator or a value in _rawp"
	omitModifier    omission = "$push with $slice or $sort"
	omitItem        omission = "a change of array items by .$.merge or .$.replace"
)

// LeftOut lists what the store leaves out on purpose, in the words of its answers: a
// request for any of these is answered with 501. A definition of a collection that
// asks for what the store leaves out is refused by [LoadDefinitions].
func LeftOut() []string {
	return []string{
		string(omitGeo), string(omitText), string(omitSpreadsheet), string(omitEncoding),
		string(omitRaw), string(omitModifier), string(omitItem),
	}
}

// leftOut is a 501; detail may name what was asked for.
func leftOut(what omission, detail string) *fault {
	message := string(what)
	if detail != "" {
		message += " (" + detail + ")"
	}
	return &fault{status: http.StatusNotImplemented, message: message + " is not supported by the embedded store"}
}
