"""The model card of a model that was measured on the benchmark (lesson 24)."""

import os
from pathlib import Path

from mmtutorial.devices import has_gpu


def write_card(folder, retriever, results, tasks):
    """Write the model card, ``README.md``, with what ``kagl.run`` measured.

    ``tasks``: the names of the attribute tasks, in their order.
    """

    def row(name, found):
        low, high = found["interval_95"]["recall@10"] or (float("nan"), float("nan"))
        return (
            f"| {name} | {found['queries']:,} | {found['recall@1']:.3f} | {found['recall@10']:.3f} "
            f"({low:.3f} to {high:.3f}) | {found['mrr@10']:.3f} |"
        )

    plain, fused = results["cosine"], results["late_fusion"]
    rows = [
        f"| {task} | {found['queries']} | {weight} | {found['P@1']:.3f} | {found['P@10']:.3f} "
        f"(at most {found['P@10 ceiling']:.3f}) | {found['P@10 of frequent values'] or 0:.3f} "
        f"({found['frequent values']}) | {found['MRR@10']:.3f} |"
        for task in tasks
        for weight, found in (
            (each["photo_weight"], each[task])
            for each in (results["attributes"], results["attributes_at_half"])
            if task in each
        )
    ]
    settings = retriever.settings
    text = CARD.format(
        name=Path(folder).name,
        folder=Path(folder).name if Path(folder).parent.name == "models" else folder,
        hours=sum(line.get("seconds", 0) for line in retriever.log) / 3600,
        device="a GPU" if has_gpu() else f"{os.cpu_count()} CPU cores",
        parameters=retriever.model.count_params() / 1e6,
        rows="\n".join(
            [
                row("cosine alone", plain),
                row("the same, no training sibling", plain["without_training_sibling"]),
                row("late fusion", fused),
                row("the same, no training sibling", fused["without_training_sibling"]),
            ]
        ),
        tasks="\n".join(rows),
        weights=", ".join(f"{head} {weight}" for head, weight in retriever.fusion.items()),
        gallery=results["gallery"],
        queries=results["queries"],
        products=retriever.n_products,
        **{key: settings[key] for key in ("epochs", "batch_size", "dim", "learning_rate")},
    )
    (Path(folder) / "README.md").write_text(text, encoding="utf-8")


CARD = """# {name}

A dual encoder for product search, {parameters:.1f} million parameters, trained from scratch: a
photo of 80 × 60 pixels or a title in, a vector of {dim} dimensions out; and what it says of brand,
article type, colour and gender, for a late fusion.

```python
from mmtutorial.matching.retriever import load

retriever = load("{folder}")
```

## Data

{products:,} products of *Fashion Product Images (Small)* (photos and titles of the shop Myntra,
declared MIT on Kaggle), nothing else. Kept out: every product that a benchmark query asks for, and
every product with the same normalised title or the same photo. `trained_on.npy` holds digests of
what was trained on; `mmtutorial benchmark --model` refuses queries that ask for any of it.

## Results

In-domain, trained from scratch on this shop and on nothing else: a comparison with zero-shot models
is not like for like. Text query against the photos alone, {queries:,} KAGL queries, gallery
{gallery:,}, ties by ascending id; in brackets 95 % bootstrap intervals over the queries. A training
sibling is a training product with the query's title but for the colour word.

| system | queries | R@1 | R@10 | MRR@10 |
|---|---|---|---|---|
{rows}

Late fusion adds λ · log p(the query's and the photo's attribute agree) to cosine / temperature; λ,
chosen on a validation split: {weights}.

Attribute values as queries, product vector w · photo + (1 - w) · title, normalised; w = 0.9 is the
protocol's, 0.5 that of `ProductSearch`. Most of this gallery was trained on. "At most" is what a
perfect ranking gets, as some values have fewer than ten products; frequent values have ten or more.

| task | queries | w | P@1 | P@10 | P@10 of frequent values | MRR@10 |
|---|---|---|---|---|---|---|
{tasks}

## Training

```
mmtutorial benchmark --products fashion --qrels QRELS.json --profile full --output DIR
```

with the qrels that `mmtutorial data get fashion` fetches; `DIR/model/` is this folder. {epochs}
epochs in batches of {batch_size}, AdamW at {learning_rate}; in the last quarter the rate falls and
the validation part is trained on too; moving averages of the weights. {hours:.1f} hours on
{device}, by the log in `config.json`. An interrupted training goes on where it was.

## Limits

It knows one shop's photos on plain ground, English titles, and the brands of that shop. A brand or
an article type that it has not seen has no class; a photo from a phone looks like nothing it knows.
"""
