package embedded

import (
	"math"
	"strconv"
	"strings"
	"time"

	"user-manager/crud/document"
)

// parseDate gives the stored text of a date of the checked pattern. Days 29 to 31 of
// a shorter month and hour 24 roll over; what no calendar has is not ok.
func parseDate(text string) (string, bool) {
	year, month, day := digits(text[0:4]), digits(text[5:7]), digits(text[8:10])
	if month < 1 || month > 12 || day < 1 || day > 31 {
		return "", false
	}
	if len(text) == len("2006-01-02") {
		return dateText(time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC))
	}
	hour, minute, second := digits(text[11:13]), digits(text[14:16]), digits(text[17:19])
	fraction, zone := splitZone(text[19:])
	nanos := int(fraction * 1e9)
	if hour > 24 || minute > 59 || second > 59 || hour == 24 && (minute > 0 || second > 0 || nanos > 0) {
		return "", false
	}
	offset, ok := zoneOffset(zone)
	if !ok {
		return "", false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	return dateText(t.Add(time.Duration(math.Round(fraction*1000))*time.Millisecond - offset))
}

func digits(text string) int {
	n, _ := strconv.Atoi(text) // the pattern lets digits through only
	return n
}

// splitZone takes apart ".678-05:30".
func splitZone(text string) (fraction float64, zone string) {
	end := strings.IndexAny(text, "Z+-")
	if end > 0 {
		fraction, _ = strconv.ParseFloat("0"+text[:end], 64)
	}
	return fraction, text[end:]
}

func zoneOffset(zone string) (time.Duration, bool) {
	if zone == "Z" {
		return 0, true
	}
	hours, minutes := digits(zone[1:3]), digits(zone[4:6])
	if hours > 23 || minutes > 59 {
		return 0, false
	}
	offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if zone[0] == '-' {
		offset = -offset
	}
	return offset, true
}

// dateText is the stored text of an instant. Years of more than four digits are
// refused: their texts would not sort.
func dateText(t time.Time) (string, bool) {
	t = t.UTC()
	if t.Year() < 0 || t.Year() > 9999 {
		return "", false
	}
	return document.Date(t), true
}

// looseLayouts are the texts of a date that a query may hold beside ISO's; one
// without a zone is UTC.
var looseLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05.999999999", "2006-01-02T15:04",
	"2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02 15:04", "2006-1-2",
	"2006-01", "2006", "2006/1/2", "1/2/2006", "2006/1/2 15:04:05", "1/2/2006 15:04:05",
	"2 Jan 2006", "2 January 2006", "Jan 2 2006", "January 2 2006", "Jan 2, 2006", "January 2, 2006",
	"2 Jan 2006 15:04:05", "Jan 2, 2006 15:04:05", "Mon Jan 2 2006", "Mon, 2 Jan 2006",
	time.RFC1123, time.RFC1123Z, time.RFC850, time.ANSIC,
	"Mon Jan 2 2006 15:04:05 GMT-0700",
}

// looseDate reads what JavaScript's Date would: a text, or milliseconds since 1970.
func looseDate(v any) (string, bool) {
	switch v := v.(type) {
	case float64:
		if math.Abs(v) > 8.64e15 {
			return "", false
		}
		return dateText(time.UnixMilli(int64(v)))
	case string:
		text := strings.TrimSpace(v)
		if isDate(text) {
			return parseDate(text)
		}
		text, _, _ = strings.Cut(text, " (") // the name of a zone
		for _, layout := range looseLayouts {
			if t, err := time.Parse(layout, text); err == nil {
				return dateText(t)
			}
		}
	}
	return "", false
}
