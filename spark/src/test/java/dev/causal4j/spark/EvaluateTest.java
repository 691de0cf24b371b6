package dev.causal4j.spark;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.InputException;
import dev.causal4j.austen.AustenModel;
import dev.causal4j.model.CausalLM;
import dev.causal4j.scoring.DocumentSource;
import dev.causal4j.scoring.Evaluation;
import dev.causal4j.scoring.EvaluationListener;
import dev.causal4j.scoring.EvaluationOptions;
import dev.causal4j.scoring.EvaluationResult;
import dev.causal4j.scoring.EvaluationTask;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class EvaluateTest {
    private static final DocumentSource DOCUMENTS = split -> IntStream.range(0, 23)
            .mapToObj(i -> Map.of("q", "Emma had " + i % 5 + " letters, and she was", "y", i % 2));

    private static EvaluationTask task(String type, String name) {
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("task", name);
        settings.put("output_type", type);
        settings.put("test_split", "test");
        settings.put("num_fewshot", 2);
        settings.put("doc_to_text", "{{q}}");
        settings.put("doc_to_target", type.equals("generate_until") ? "glad" : "y");
        if (type.equals("generate_until")) {
            settings.put("generation_kwargs", Map.of("max_gen_toks", 4, "until", List.of(".")));
        } else {
            settings.put("doc_to_choice", List.of("very glad", "very sorry", "a"));
        }
        return EvaluationTask.of(settings, DOCUMENTS);
    }

    @Test
    void figuresAndDigestsAreThoseOfASingleProcess() {
        Evaluation evaluation =
                Evaluation.of(List.of(task("multiple_choice", "choices"), task("generate_until", "texts")), List.of());
        CausalLM model = AustenModel.load();
        EvaluationResult expected = evaluation.run(model, EvaluationOptions.DEFAULT, EvaluationListener.NONE);
        for (int partitions : new int[] {1, 4}) {
            assertThat(SparkCausalLM.of(ModelSource.embedded())
                            .withBatchRows(5)
                            .evaluate(
                                    LocalSession.get(),
                                    evaluation,
                                    EvaluationOptions.DEFAULT,
                                    EvaluationListener.NONE,
                                    partitions))
                    .isEqualTo(expected);
        }
        model.close();
    }

    @Test
    void aDocumentWithoutARequestIsRefusedByName() {
        Evaluation evaluation = Evaluation.of(EvaluationTask.of(
                Map.of(
                        "task", "t",
                        "output_type", "multiple_choice",
                        "test_split", "test",
                        "target_delimiter", "",
                        "doc_to_text", "{{q}}",
                        "doc_to_choice", List.of("a", ""),
                        "doc_to_target", 0),
                DOCUMENTS));
        assertThatThrownBy(() -> SparkCausalLM.of(ModelSource.embedded())
                        .evaluate(
                                LocalSession.get(), evaluation, EvaluationOptions.DEFAULT, EvaluationListener.NONE, 3))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("t, document 0, choice 1");
    }
}
