package dev.causal4j.chat;

import dev.causal4j.chat.AnswerParser.State;
import dev.causal4j.chat.AnswerParser.Stop;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/** Reads calls with the name in a head, before an object of arguments. Not thread-safe. */
record HeadedCalls(AnswerParser answer) {
    private static final Pattern MISTRAL =
            Pattern.compile("\\s*+(" + ToolDefinition.NAME + ")(?:\\[CALL_ID](\\w{1,256}))?\\[ARGS]\\s*+(?=\\{|\\z)");
    private static final String END = "<｜tool▁call▁end｜>";
    private static final Pattern DEEPSEEK = Pattern.compile("\\s*+<｜tool▁call▁begin｜>(?:function<｜tool▁sep｜>)?("
            + ToolDefinition.NAME + ")(?:<｜tool▁sep｜>|\n```json\n)\\s*+(?=\\{|\\z)");
    private static final Pattern NEXT =
            Pattern.compile("\\s*+(?:```)?\\s*+(?:" + END + ")?\\s*+(?=(<｜tool▁call▁begin｜>)?)");

    State head() throws Stop {
        boolean mistral = answer.format == ToolFormat.MISTRAL_V11;
        MatchResult head = answer.match(mistral ? MISTRAL : DEEPSEEK);
        answer.begin(head.group(1), mistral ? head.group(2) : null);
        State then = mistral ? answer::closing : () -> answer.next(NEXT, this::head);
        JsonScan arguments = new JsonScan(answer, mistral ? "" : END);
        return () -> {
            answer.argument(arguments.read());
            arguments.awaitEnd();
            return then;
        };
    }
}
