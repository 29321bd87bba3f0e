"""Pure anytime-valid statistics: no clock, file, random generator or logger inside."""
