//! How long generalisation to k takes, on a table in CSV with hierarchies in the form of ARX:
//! `adult <folder> [k]`, where the folder has `adult.csv` and `adult_hierarchy_<column>.csv`.

use std::{error::Error, path::Path, time::Instant};

use shuyu_masking::{Column, Demand, Hierarchy, Rows, generalise};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("which folder?")?;
    let k = arguments.next().map_or(Ok(5), |k| k.parse())?;
    let rows = read(&Path::new(&folder).join("adult.csv"))?;
    let (header, rows) = rows.split_first().ok_or("the table is empty")?;
    for _ in 0..5 {
        let begin = Instant::now();
        let mut columns = Vec::new();
        for (at, name) in header.iter().take(8).enumerate() {
            let file = format!("adult_hierarchy_{name}.csv");
            let hierarchy = Hierarchy::declared(name, &read(&Path::new(&folder).join(file))?)?;
            let index = hierarchy.index();
            let codes = rows
                .iter()
                .map(|row| row.get(at).and_then(|value| index.get(value.as_str())).copied())
                .collect::<Option<Vec<u32>>>()
                .ok_or("a value is not in its hierarchy")?;
            columns.push(Column { codes, hierarchy: hierarchy.clone() });
        }
        let coded = begin.elapsed();
        let it = generalise(&columns, Rows::default(), Demand::of(k))?;
        println!(
            "{:.1} ms (coding {:.1}): loss {:.4}, levels {:?}, {} tried, {} classes, smallest {}",
            begin.elapsed().as_secs_f64() * 1e3,
            coded.as_secs_f64() * 1e3,
            it.loss.total,
            it.levels,
            it.tried,
            it.classes,
            it.smallest
        );
    }
    Ok(())
}

fn read(file: &Path) -> Result<Vec<Vec<String>>, std::io::Error> {
    let text = std::fs::read_to_string(file)?;
    Ok(text.lines().map(|line| line.split(';').map(str::to_owned).collect()).collect())
}
