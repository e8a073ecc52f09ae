//! A model in ONNX: IR version 8, operators of `ai.onnx` 13 and `ai.onnx.ml` 3.
//!
//! Only the part of `onnx.proto` that is needed is written down here. Documentation strings, metadata,
//! producer names, sparse tensors, external data and functions are not in it, so they cannot be written.
//!
//! Input `inputs`: doubles, one row for each case, a column for each input of the model in order (numbers
//! as they are: limits and scales are in the graph). Output `prediction`: a number or probability, one for
//! each row; of clusters their number.

use prost::Message;

use crate::{Body, Input, Model, Node, Output, Tree};

const DOUBLE: i32 = 11;
const FLOAT: i32 = 1;
const INT64: i32 = 7;

#[derive(Clone, PartialEq, Message)]
struct ModelProto {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    opset_import: Vec<OperatorSetIdProto>,
}

#[derive(Clone, PartialEq, Message)]
struct OperatorSetIdProto {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(int64, tag = "2")]
    version: i64,
}

#[derive(Clone, PartialEq, Message)]
struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    node: Vec<NodeProto>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<TensorProto>,
    #[prost(message, repeated, tag = "11")]
    input: Vec<ValueInfoProto>,
    #[prost(message, repeated, tag = "12")]
    output: Vec<ValueInfoProto>,
}

#[derive(Clone, PartialEq, Message)]
struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "4")]
    op_type: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<AttributeProto>,
    #[prost(string, tag = "7")]
    domain: String,
}

#[derive(Clone, PartialEq, Message)]
struct AttributeProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int64, tag = "3")]
    i: i64,
    #[prost(message, optional, tag = "5")]
    t: Option<TensorProto>,
    #[prost(int64, repeated, tag = "8")]
    ints: Vec<i64>,
    #[prost(bytes = "vec", repeated, tag = "9")]
    strings: Vec<Vec<u8>>,
    #[prost(int32, tag = "20")]
    r#type: i32,
}

#[derive(Clone, PartialEq, Message)]
struct TensorProto {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(int64, repeated, tag = "7")]
    int64_data: Vec<i64>,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(double, repeated, tag = "10")]
    double_data: Vec<f64>,
}

#[derive(Clone, PartialEq, Message)]
struct ValueInfoProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    r#type: Option<TypeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TypeProto {
    #[prost(message, optional, tag = "1")]
    tensor_type: Option<TensorTypeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorTypeProto {
    #[prost(int32, tag = "1")]
    elem_type: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<TensorShapeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorShapeProto {
    #[prost(message, repeated, tag = "1")]
    dim: Vec<DimensionProto>,
}

#[derive(Clone, PartialEq, Message)]
struct DimensionProto {
    #[prost(int64, optional, tag = "1")]
    dim_value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    dim_param: Option<String>,
}

/// The model as the bytes of an ONNX file. The same model gives the same bytes.
pub(crate) fn to_onnx(model: &Model) -> Vec<u8> {
    let mut graph = Graph::default();
    match &model.body {
        Body::Linear { weights, intercept } => {
            let rows = graph.standardise(&model.inputs);
            let count = whole(weights.len());
            graph.doubles("weights", vec![count, 1], weights.clone());
            graph.doubles("intercept", vec![1], vec![*intercept]);
            graph.node("MatMul", &[&rows, "weights"], "weighted", vec![]);
            let score = graph.score_name(&model.output);
            graph.node("Add", &["weighted", "intercept"], score, vec![]);
            graph.finish_score(&model.output, DOUBLE);
        }
        Body::Trees { base, trees } => {
            let score = graph.score_name(&model.output);
            graph.trees(*base, trees, score);
            graph.finish_score(&model.output, FLOAT);
        }
        Body::Clusters { centres } => {
            let rows = graph.standardise(&model.inputs);
            graph.nearest(&rows, centres);
        }
    }
    let domains = [("", 13), ("ai.onnx.ml", 3)];
    let opset_import = domains
        .map(|(domain, version)| OperatorSetIdProto { domain: domain.into(), version })
        .to_vec();
    let graph = graph.finish(model.inputs.len());
    ModelProto { ir_version: 8, graph: Some(graph), opset_import }.encode_to_vec()
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[derive(Default)]
struct Graph {
    nodes: Vec<NodeProto>,
    tensors: Vec<TensorProto>,
    output: Option<ValueInfoProto>,
}

impl Graph {
    fn node(&mut self, op: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) {
        let domain = if op.starts_with("TreeEnsemble") { "ai.onnx.ml" } else { "" };
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|name| (*name).to_owned()).collect(),
            output: vec![output.to_owned()],
            op_type: op.to_owned(),
            attribute,
            domain: domain.to_owned(),
        });
    }

    fn doubles(&mut self, name: &str, dims: Vec<i64>, values: Vec<f64>) {
        self.tensors.push(doubles(name, dims, values));
    }

    fn axes(&mut self, name: &str, axis: i64) {
        let (name, data_type) = (name.to_owned(), INT64);
        let int64_data = vec![axis];
        self.tensors.push(TensorProto {
            dims: vec![1],
            data_type,
            int64_data,
            name,
            double_data: vec![],
        });
    }

    /// Limits and standardises inputs; returns the name of the result.
    fn standardise(&mut self, inputs: &[Input]) -> String {
        let (mut low, mut high, mut centre, mut scale) = (vec![], vec![], vec![], vec![]);
        for input in inputs {
            let figures = match input {
                Input::Number { low, high, centre, scale, .. } => (*low, *high, *centre, *scale),
                Input::Code { .. } | Input::Rest { .. } => (0.0, 1.0, 0.0, 1.0),
            };
            low.push(figures.0);
            high.push(figures.1);
            centre.push(figures.2);
            scale.push(figures.3);
        }
        let dims = vec![whole(inputs.len())];
        let figures = [("low", low), ("high", high), ("centre", centre), ("scale", scale)];
        for (name, values) in figures {
            self.doubles(name, dims.clone(), values);
        }
        self.node("Max", &["inputs", "low"], "from_low", vec![]);
        self.node("Min", &["from_low", "high"], "limited", vec![]);
        self.node("Sub", &["limited", "centre"], "centred", vec![]);
        self.node("Div", &["centred", "scale"], "standardised", vec![]);
        "standardised".to_owned()
    }

    #[expect(clippy::unused_self, reason = "the name depends on how the graph goes on")]
    fn score_name(&self, output: &Output) -> &'static str {
        if matches!(output, Output::Code { .. }) { "score" } else { "prediction" }
    }

    fn finish_score(&mut self, output: &Output, kind: i32) {
        if matches!(output, Output::Code { .. }) {
            self.node("Sigmoid", &["score"], "prediction", vec![]);
        }
        self.output = Some(value("prediction", kind, vec![rows(), fixed(1)]));
    }

    fn trees(&mut self, base: f64, trees: &[Tree], output: &str) {
        // An ensemble without nodes is not valid; a tree that adds nothing is.
        let none = [Tree { nodes: vec![Node::Leaf { value: 0.0 }] }];
        let trees = if trees.is_empty() { &none } else { trees };
        let mut columns = TreeColumns::default();
        for (number, tree) in trees.iter().enumerate() {
            columns.add(whole(number), tree);
        }
        let attributes = columns.attributes(base);
        self.node("TreeEnsembleRegressor", &["inputs"], output, attributes);
    }

    fn nearest(&mut self, standardised: &str, centres: &[Vec<f64>]) {
        let width = centres.first().map_or(0, Vec::len);
        let flat: Vec<f64> = centres.iter().flatten().copied().collect();
        self.doubles("centres", vec![1, whole(centres.len()), whole(width)], flat);
        self.axes("across_centres", 1);
        self.axes("across_inputs", 2);
        self.node("Unsqueeze", &[standardised, "across_centres"], "rows", vec![]);
        self.node("Sub", &["rows", "centres"], "off", vec![]);
        self.node("Mul", &["off", "off"], "squared", vec![]);
        let keep = vec![integer("keepdims", 0)];
        self.node("ReduceSum", &["squared", "across_inputs"], "distances", keep);
        let least = vec![integer("axis", 1), integer("keepdims", 0)];
        self.node("ArgMin", &["distances"], "prediction", least);
        self.output = Some(value("prediction", INT64, vec![rows()]));
    }

    fn finish(self, width: usize) -> GraphProto {
        GraphProto {
            node: self.nodes,
            name: "model".into(),
            initializer: self.tensors,
            input: vec![value("inputs", DOUBLE, vec![rows(), fixed(whole(width))])],
            output: self.output.into_iter().collect(),
        }
    }
}

/// The attributes of a tree ensemble, which lists all nodes of all trees in columns.
#[derive(Default)]
struct TreeColumns {
    trees: Vec<i64>,
    nodes: Vec<i64>,
    inputs: Vec<i64>,
    modes: Vec<Vec<u8>>,
    thresholds: Vec<f64>,
    lefts: Vec<i64>,
    rights: Vec<i64>,
    leaf_trees: Vec<i64>,
    leaf_nodes: Vec<i64>,
    leaf_values: Vec<f64>,
}

impl TreeColumns {
    fn add(&mut self, tree_number: i64, tree: &Tree) {
        for (number, node) in (0i64..).zip(&tree.nodes) {
            self.trees.push(tree_number);
            self.nodes.push(number);
            match node {
                Node::Split { input, threshold, left, right } => {
                    self.inputs.push(whole(*input));
                    self.modes.push(b"BRANCH_LT".to_vec());
                    self.thresholds.push(*threshold);
                    self.lefts.push(whole(*left));
                    self.rights.push(whole(*right));
                }
                Node::Leaf { value } => {
                    self.inputs.push(0);
                    self.modes.push(b"LEAF".to_vec());
                    self.thresholds.push(0.0);
                    self.lefts.push(0);
                    self.rights.push(0);
                    self.leaf_trees.push(tree_number);
                    self.leaf_nodes.push(number);
                    self.leaf_values.push(*value);
                }
            }
        }
    }

    fn attributes(self, base: f64) -> Vec<AttributeProto> {
        let (nodes, leaves) = (whole(self.nodes.len()), whole(self.leaf_nodes.len()));
        vec![
            integers("nodes_treeids", self.trees),
            integers("nodes_nodeids", self.nodes),
            integers("nodes_featureids", self.inputs),
            AttributeProto {
                name: "nodes_modes".into(),
                strings: self.modes,
                r#type: 8,
                ..Default::default()
            },
            tensor("nodes_values_as_tensor", doubles("thresholds", vec![nodes], self.thresholds)),
            integers("nodes_truenodeids", self.lefts),
            integers("nodes_falsenodeids", self.rights),
            integers("target_treeids", self.leaf_trees),
            integers("target_nodeids", self.leaf_nodes),
            integers("target_ids", vec![0; usize::try_from(leaves).unwrap_or_default()]),
            tensor("target_weights_as_tensor", doubles("leaves", vec![leaves], self.leaf_values)),
            tensor("base_values_as_tensor", doubles("base", vec![1], vec![base])),
            integer("n_targets", 1),
        ]
    }
}

fn doubles(name: &str, dims: Vec<i64>, values: Vec<f64>) -> TensorProto {
    let (name, data_type) = (name.to_owned(), DOUBLE);
    TensorProto { dims, data_type, int64_data: vec![], name, double_data: values }
}

fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.into(), i: value, r#type: 2, ..Default::default() }
}

fn integers(name: &str, values: Vec<i64>) -> AttributeProto {
    AttributeProto { name: name.into(), ints: values, r#type: 7, ..Default::default() }
}

fn tensor(name: &str, value: TensorProto) -> AttributeProto {
    AttributeProto { name: name.into(), t: Some(value), r#type: 4, ..Default::default() }
}

fn rows() -> DimensionProto {
    DimensionProto { dim_value: None, dim_param: Some("rows".into()) }
}

fn fixed(size: i64) -> DimensionProto {
    DimensionProto { dim_value: Some(size), dim_param: None }
}

fn value(name: &str, elem_type: i32, dim: Vec<DimensionProto>) -> ValueInfoProto {
    let shape = Some(TensorShapeProto { dim });
    let tensor_type = Some(TensorTypeProto { elem_type, shape });
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type }) }
}
