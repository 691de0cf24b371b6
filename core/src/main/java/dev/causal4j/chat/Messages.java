package dev.causal4j.chat;

import dev.causal4j.chat.AnswerParser.State;
import dev.causal4j.chat.AnswerParser.Stop;
import java.util.List;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads an answer of messages in channels, some of which are calls. Not thread-safe. */
final class Messages {
    private static final Pattern HEAD = Pattern.compile(
            "(?:<\\|end\\|>|<\\|call\\|>|<\\|return\\|>){0,9}(?:<\\|start\\|>assistant)?"
                    + "(\\s{0,9}(?:to=|<\\|channel\\|>).{0,1024}?)<\\|message\\|>",
            Pattern.DOTALL);
    private static final Pattern TO = Pattern.compile("to=(?:functions\\.)?(" + ToolDefinition.NAME + ")");
    private static final List<String> ENDS = List.of("<|end|>", "<|call|>", "<|return|>");

    private final AnswerParser answer;
    private Consumer<String> body = _ -> {};
    private boolean hasThought;
    private boolean hasContent;

    Messages(AnswerParser answer) {
        this.answer = answer;
    }

    State head() throws Stop {
        String head = answer.match(HEAD).group(1);
        Matcher to = TO.matcher(head);
        if (answer.readsCalls && to.find()) {
            answer.begin(to.group(1), null);
            body = answer::argument;
        } else if (head.contains("<|channel|>analysis")) {
            body = answer::think;
            body.accept(hasThought ? "\n" : "");
            hasThought = true;
        } else {
            body = answer::verbatim;
            body.accept(hasContent ? "\n" : "");
            hasContent = true;
        }
        return this::body;
    }

    private State body() throws Stop {
        answer.until(ENDS, body);
        answer.endMessage();
        return this::head;
    }
}
