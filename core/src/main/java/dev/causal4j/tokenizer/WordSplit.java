package dev.causal4j.tokenizer;

import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Cuts a text into the words no merge crosses, by the pattern of GPT-2 (Radford et al. 2019) and of Hugging Face's
 * ByteLevel after it. Every part of a text is in a word. Letters and numbers are those of the JDK's version of Unicode; a
 * character newer than a library's own version is punctuation to it.
 */
final class WordSplit {
    private static final Pattern WORD = Pattern.compile(
            "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
            Pattern.UNICODE_CHARACTER_CLASS); // \s is White_Space

    private WordSplit() {}

    static void split(String text, Consumer<String> words) {
        for (Matcher word = WORD.matcher(text); word.find(); ) {
            words.accept(word.group());
        }
    }
}
