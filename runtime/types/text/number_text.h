#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime {

// Text of numbers as Java writes and Flink reads it.

// Appends Double.toString of JDK 17: "1.0", "1.0E10", "1.0E-5", "NaN", "-Infinity". The digits read
// back the same, but are not always the shortest that do (java_digits.h).
void AppendJavaDouble(double value, std::string* to);
void AppendJavaFloat(float value, std::string* to);
void AppendInteger(int64_t value, std::string* to);

// Why a text is not a number; the words are those of Flink's exception.
enum class NumberParse : uint8_t { kOk, kEmpty, kOnlySign, kInvalidCharacter, kOverflow };
const char* Words(NumberParse outcome);

// Reads an integer as Flink's BinaryStringDataUtil: sign, digits, and a fraction that is cut off.
// `text` must be trimmed already.
NumberParse ParseInteger(std::string_view text, int64_t minimum, int64_t maximum, int64_t* out);
// Double.parseDouble and Float.parseFloat: surrounding blanks, "NaN", "Infinity", a trailing d or
// f.
bool ParseJavaDouble(std::string_view text, double* out);
bool ParseJavaFloat(std::string_view text, float* out);
// "t", "true", "y", "yes", "1" and their opposites, any case, no blanks around.
bool ParseBoolean(std::string_view text, bool* out);

// Takes U+0020 off both ends, as Flink's casts do; TrimJava all of U+0000 .. U+0020.
std::string_view TrimSpaces(std::string_view text);
std::string_view TrimJava(std::string_view text);

}  // namespace millrace::runtime
