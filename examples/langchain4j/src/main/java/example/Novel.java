package example;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.generation.Engine;
import dev.causal4j.langchain4j.Causal4jLanguageModel;
import dev.causal4j.langchain4j.Causal4jScoringModel;
import dev.causal4j.model.CausalLM;
import dev.langchain4j.data.segment.TextSegment;
import dev.langchain4j.model.language.LanguageModel;
import dev.langchain4j.model.scoring.ScoringModel;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;

/** Continues a sentence, and finds the passage that fits a question best, in one process. */
public final class Novel {
    private final LanguageModel writer;
    private final ScoringModel reader;

    Novel(CausalLM model) {
        writer = Causal4jLanguageModel.builder()
                .model(model)
                .temperature(0.8)
                .topP(0.9)
                .maxOutputTokens(40)
                .seed(1L)
                .build();
        reader = new Causal4jScoringModel(Engine.shared(model));
    }

    String goesOn(String beginning) {
        return writer.generate(beginning).content();
    }

    String best(List<String> passages, String question) {
        return passages.stream()
                .max(Comparator.comparingDouble(passage ->
                        reader.score(TextSegment.from(passage), question).content()))
                .orElseThrow();
    }

    /** @param arguments the folder or GGUF file of a model; the embedded one without */
    public static void main(String[] arguments) throws IOException {
        try (CausalLM model = arguments.length > 0 ? CausalLM.load(Path.of(arguments[0])) : AustenModel.load()) {
            Novel novel = new Novel(model);
            System.out.println(novel.goesOn("It is a truth universally acknowledged, that a"));
            System.out.println(novel.best(
                    List.of(
                            "The carriage was at the door, and the horses were tired.",
                            "At the ball Mr. Bingley danced with Jane twice.",
                            "Mr. Woodhouse was afraid of the rain."),
                    "Did Mr. Bingley dance with Jane?"));
        }
    }
}
