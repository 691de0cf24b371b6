package dev.causal4j.chat;

import dev.causal4j.chat.AnswerParser.State;
import dev.causal4j.chat.AnswerParser.Stop;
import java.util.List;
import java.util.function.Consumer;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/** Reads an answer of messages in channels, some of which are calls. Not thread-safe. */
final class Messages {
    private static final String TO = "(?:to=(?:functions\\.)?(" + ToolDefinition.NAME + ")\\s{0,9})?";
    // Only the words of heads, so that text without a <|message|> before it is content.
    private static final Pattern HEAD = Pattern.compile(
            "(?:<\\|end\\|>|<\\|call\\|>|<\\|return\\|>){0,9}(?:(\\z)|(?:<\\|start\\|>assistant)?\\s{0,9}(?=to=|<\\|channel\\|>)"
                    + TO + "(?:<\\|channel\\|>(analysis|commentary|final)?\\s{0,9}" + TO + ")?"
                    + "(?:<\\|constrain\\|>)?(?:json|code|text)?\\s{0,9}<\\|message\\|>)");
    private static final List<String> ENDS = List.of("<|end|>", "<|call|>", "<|return|>");

    private final AnswerParser answer;
    private boolean hasThought;
    private boolean hasContent;

    Messages(AnswerParser answer) {
        this.answer = answer;
    }

    State head() throws Stop {
        MatchResult head = answer.match(HEAD);
        if (head.group(1) != null) {
            throw new Stop(); // the end
        }
        String to = head.group(2) == null ? head.group(4) : head.group(2);
        if (answer.readsCalls && to != null) {
            answer.begin(to, null);
            return () -> body(answer::argument);
        }
        boolean thinks = "analysis".equals(head.group(3));
        Consumer<String> body = thinks ? answer::think : answer::verbatim;
        body.accept((thinks ? hasThought : hasContent) ? "\n" : "");
        hasThought |= thinks;
        hasContent |= !thinks;
        return () -> body(body);
    }

    private State body(Consumer<String> to) throws Stop {
        answer.until(ENDS, to);
        answer.endMessage();
        return this::head;
    }
}
